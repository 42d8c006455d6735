"""What is foretold of jobs that wait for money: not before the next period, and what would start them now."""

from dataclasses import replace

from scheduling.forecast.forecast import forecast
from scheduling.forecast.outlook import outlook
from scheduling.reasons import ReasonCode
from tests.scheduling.builders import running, share
from tests.scheduling.planning.test_budgets import HOUR, MIDNIGHT, NOON, budget, job, world


def runs(number=900, hours=2.0, gpu=0):
    one = running(number, share(gpu_indices=(gpu,)))
    return replace(one, started_at=NOON, expected_end=NOON + hours * HOUR)


def test_who_has_to_wait_for_the_next_period_is_not_foretold_to_start_before():
    snap = world(job(1, 2, 4), budgets=(budget(10, spent=6),))
    told = forecast(snap, NOON)[1]
    assert (told.soonest, told.expected) == (MIDNIGHT, MIDNIGHT)


def test_what_runs_shorter_than_its_limit_leaves_money_for_the_same_period():
    one = replace(runs(hours=6), predicted_end=NOON + HOUR)
    snap = world(job(1, 2, 2), budgets=(budget(8),), running=(one,))
    assert forecast(snap, NOON)[1].expected == NOON + HOUR
    late = world(job(1, 2, 2), budgets=(budget(8),), running=(replace(one, predicted_end=NOON + 5 * HOUR),))
    assert forecast(late, NOON)[1].expected == MIDNIGHT


def test_in_what_is_foretold_too_ended_jobs_have_spent_what_they_took():
    """After the first hour three GPU-hours are spent: of ten, the other two jobs of four can only have one more today."""
    snap = world(job(1, 4, 1), job(2, 4, 1), job(3, 4, 1), budgets=(budget(10),))
    told = forecast(snap, NOON)
    assert told[1].expected == told[2].expected == NOON
    assert told[3].expected == MIDNIGHT


def test_of_a_budget_that_is_there_once_nothing_is_foretold_before_its_end():
    once = budget(10, spent=8, period="once", since=NOON - HOUR, until=NOON + 50 * HOUR, spent_since=NOON - HOUR)
    assert forecast(world(job(1, 2, 4), budgets=(once,)), NOON)[1].expected == NOON + 50 * HOUR


def test_the_outlook_says_until_when_and_what_would_start_it():
    told = outlook(world(job(1, 2, 4), budgets=(budget(10, spent=6),)), NOON, 1)
    assert told is not None
    [why] = told.reasons
    assert (why.code, why.expected_clear, told.position) == (ReasonCode.BUDGET, MIDNIGHT, None)
    assert {(one.field, str(one.after)) for one in told.changes} == {
        ("resources.gpus", "1"), ("max_runtime_seconds", "7200"), ("budget", "{'1': '14'}"),
    }  # fmt: skip
    assert told.changes[-1].sentence == (
        "If the budget of project vision allowed 14 GPU-hours instead of 10 GPU-hours, it would start now."
    )


def test_who_waits_for_room_as_well_is_offered_no_budget():
    full = tuple(replace(runs(900 + gpu, gpu=gpu), project="speech") for gpu in range(8))
    told = outlook(world(job(1, 2, 6), budgets=(budget(10),), running=full), NOON, 1)
    assert told is not None
    assert {why.code for why in told.reasons} == {ReasonCode.BUDGET, ReasonCode.RESOURCES}
    assert "budget" not in {one.field for one in told.changes}
