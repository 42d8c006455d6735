"""What can be said about one waiting job, all together."""

from dataclasses import replace

from hypothesis import given, settings

from scheduling.forecast import Effort, Forecast
from scheduling.inquiry import inquire
from scheduling.plan import make_plan
from scheduling.resources import Request
from tests.scheduling.builders import gpu_node, running, share, snapshot, waiting
from tests.scheduling.worlds import NOW, worlds

BUSY = replace(running(9, share(gpu_indices=(0, 1))), started_at=0.0, expected_end=100.0)


def one_node(*jobs, busy=(BUSY,)):
    return snapshot(*jobs, nodes=(gpu_node(),), running=busy)


def test_a_job_that_waits_gets_all_of_it():
    world = one_node(waiting(1, request=Request(gpus=8)), waiting(2, request=Request(gpus=8)))

    answer = inquire(world, 50.0, 2)

    assert (answer.position, answer.line_length, answer.placement, answer.reservation) == (2, 2, None, None)
    assert answer.start.latest == 100 + 86_400
    assert [reason.code for reason in answer.reasons] == ["resources"]
    assert answer.reasons[0].expected_clear == answer.start.expected
    assert answer.ends == {9: 100}


def test_the_first_in_line_has_its_reservation_and_an_offer():
    answer = inquire(one_node(waiting(1, request=Request(gpus=8))), 50.0, 1)

    assert (answer.reservation.start, answer.start.expected) == (100, 100)
    assert [(one.field, one.after) for one in answer.changes] == [("resources.gpus", 6)]


def test_a_job_with_room_starts_now_and_needs_nothing():
    answer = inquire(one_node(waiting(1)), 50.0, 1, effort=Effort(worst_lag=5))

    assert [one.node for one in answer.placement.shares] == ["gpu-1"]
    assert (answer.start, answer.reasons, answer.changes) == (Forecast(50, 50, 55), (), ())


def test_a_forecast_that_is_known_is_not_made_again():
    known = {1: Forecast(70, 60, 80)}

    answer = inquire(one_node(waiting(1, request=Request(gpus=8))), 50.0, 1, known)

    assert answer.start == known[1]
    assert answer.reasons[0].expected_clear == 70


def test_nothing_is_said_of_a_job_that_does_not_wait():
    assert inquire(one_node(), 50.0, 9) is None


@settings(max_examples=15, deadline=None)
@given(worlds)
def test_the_reasons_are_those_of_the_whole_plan(world):
    plan = make_plan(world, NOW)
    for wait in plan.waits[:4]:
        told = [(one.code, one.sentence) for one in inquire(world, NOW, wait.job_id).reasons]
        assert told == [(one.code, one.sentence) for one in wait.reasons]
