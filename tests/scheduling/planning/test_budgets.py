"""Hard budgets in a plan: only what can finish within them starts, what waits for money is in nobody's way, all get their turn."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.plan_result import Plan
from scheduling.planning.plan import make_plan
from scheduling.price_list import Price, Target
from scheduling.reasons import ReasonCode
from scheduling.resources import Request
from scheduling.rules import Backfill, Preemption, Rules
from scheduling.sharing.budgets import Meter, period_at, with_ended
from scheduling.sharing.rates import MILLION
from scheduling.snapshot import BudgetView, ProjectView, QueueView, Snapshot
from scheduling.stages import started
from tests.scheduling.builders import cpu_node, gpu_node, running, share, snapshot, waiting

HOUR, DAY = 3_600.0, 86_400.0
NOON = datetime(2030, 5, 1, 12, tzinfo=UTC).timestamp()
MIDNIGHT = NOON + 12 * HOUR
BERLIN = ZoneInfo("Europe/Berlin")
TREE = (ProjectView("acme"), ProjectView("team", "acme"), ProjectView("vision", "team"), ProjectView("speech", "acme"))
PRICE = Price(Target.GPU_MODEL, Decimal("2.50"), datetime(2030, 1, 1, tzinfo=UTC))


def budget(amount=10, **more):
    fields = {
        "id": 1,
        "project": "vision",
        "unit": "gpu_hours",
        "period": "day",
        "zone": UTC,
        "currency": "EUR",
        **more,
    }
    return BudgetView(amount=int(Decimal(str(amount)) * MILLION), spent=int(fields.pop("spent", 0) * MILLION),
                      spent_since=fields.pop("spent_since", NOON - 12 * HOUR), **fields)  # fmt: skip


def job(number, gpus=1, hours: float | None = 1, **more):
    limit = None if hours is None else int(hours * HOUR)
    return waiting(number, request=Request(gpus=gpus), max_runtime_seconds=limit, **more)


def world(*jobs, budgets=None, **more):
    rules = more.pop("rules", Rules())
    known = {"nodes": (gpu_node(),), "projects": TREE, **more}
    return replace(
        snapshot(*jobs, **known),
        budgets=(budget(),) if budgets is None else budgets,
        prices=(PRICE,),
        rules=rules,
        taken_at=NOON,
    )


def placed(snap, now=NOON):
    return [one.job_id for one in make_plan(snap, now).placements]


def reasons(plan: Plan, number):
    return next(wait.reasons for wait in plan.waits if wait.job_id == number)


def test_what_fits_the_rest_of_the_budget_starts_and_several_count_together():
    jobs = [job(1, 1, 4), job(2, 2, 3), job(3, 1, 1)]
    assert placed(world(*jobs, budgets=(budget(10),))) == [1, 2]
    assert placed(world(*jobs, budgets=(budget(10, spent=4),))) == [1, 3]


def test_what_runs_counts_until_its_limit():
    one = replace(running(900, share(gpu_indices=(0, 1))), started_at=NOON - HOUR, expected_end=NOON + 2 * HOUR)
    snap = world(job(1, 1, 4), job(2, 1, 5), running=(one,))
    assert placed(snap) == [1]
    assert placed(replace(snap, waiting=snap.waiting[1:])) == []


def test_who_was_told_to_leave_is_paid_for_until_its_grace_is_over():
    """It may use all of it, so nothing starts that would be too much then."""
    one = replace(running(900, share(gpu_indices=(0, 1))), started_at=NOON - HOUR, expected_end=NOON + 2 * HOUR)
    going = replace(one, leaving=True, gone_by=NOON + HOUR / 2)
    snap = world(job(1, 1, 7), running=(one,))
    assert placed(snap) == []
    assert placed(replace(snap, running=(replace(going, gone_by=None),))) == []
    assert placed(replace(snap, running=(going,))) == [1]
    assert placed(replace(snap, running=(going,), waiting=(job(1, 1, 7.01),))) == []
    late = replace(going, gone_by=NOON - HOUR)
    assert placed(replace(snap, running=(late,), waiting=(job(1, 1, 6.01),))) == []


def test_a_soft_budget_keeps_nobody():
    assert placed(world(job(1, 8, 3), budgets=(budget(1, hard=False),))) == [1]


@pytest.mark.parametrize("project", ["vision", "team", "acme"])
def test_every_budget_above_a_job_has_to_pay(project):
    snap = world(job(1, 1, 2), budgets=(budget(100), budget(1, id=2, project=project)))
    plan = make_plan(snap, NOON)
    assert plan.placements == ()
    assert [one.subject for one in reasons(plan, 1)] == [project]
    assert placed(world(job(1, 1, 2), budgets=(budget(1, project="speech"),))) == [1]


def test_money_is_counted_by_the_dearest_price_it_could_pay():
    dear = Price(Target.GPU_MODEL, Decimal(4), datetime(2030, 5, 1, 13, tzinfo=UTC), name="H100")
    snap = world(job(1, 2, 2), budgets=(budget(13, unit="money"),))
    assert placed(snap) == [1]
    assert placed(replace(snap, prices=(PRICE, dear))) == [1]  # 2 GPUs: an hour at 2.50, an hour at 4
    assert placed(replace(snap, prices=(PRICE, dear), budgets=(budget("12.999999", unit="money"),))) == []


def test_what_has_no_price_is_not_kept_by_a_budget_of_money():
    snap = replace(world(job(1, 2, 2), budgets=(budget(0, unit="money"),)), prices=())
    assert placed(snap) == [1]


def test_a_job_without_a_limit_counts_with_the_one_that_is_assumed():
    rules = Rules(assumed_limit_seconds=3 * HOUR)
    assert placed(world(job(1, 1, None), budgets=(budget(3),), rules=rules)) == [1]
    assert placed(world(job(1, 1, None), budgets=(budget("2.9"),), rules=rules)) == []


def test_a_job_over_midnight_counts_in_both_days_with_its_parts():
    late = MIDNIGHT - HOUR
    snap = world(job(1, 1, 3), budgets=(budget(2, spent=1),))
    assert placed(snap, NOON) == []
    assert placed(snap, late) == [1]  # an hour today, two tomorrow
    tomorrow = replace(running(900, share(gpu_indices=(0,))), started_at=late, expected_end=MIDNIGHT + HOUR)
    assert placed(replace(snap, running=(tomorrow,)), late) == []


@pytest.mark.parametrize(("day", "hours"), [("2030-03-31", 23), ("2030-10-27", 25), ("2030-05-01", 24)])
def test_a_day_on_which_clocks_change_pays_for_as_many_hours_as_it_has(day, hours):
    """A GPU from midnight to midnight fits a budget of a GPU-hour an hour; with a minute less it does not."""
    begin = datetime.fromisoformat(day).replace(tzinfo=BERLIN).timestamp()
    enough = budget(hours, zone=BERLIN, spent_since=begin)
    short = replace(enough, amount=enough.amount - MILLION // 60)

    assert placed(world(job(1, 1, hours), budgets=(enough,)), begin) == [1]
    assert placed(world(job(1, 1, 3 * 24), budgets=(enough,)), begin) == ([1] if hours >= 24 else [])
    assert placed(world(job(1, 1, hours), budgets=(short,)), begin) == []


def test_the_reason_has_the_figures_and_what_would_start_it():
    one = replace(running(900, share(gpu_indices=(0,))), started_at=NOON, expected_end=NOON + 2 * HOUR)
    plan = make_plan(
        world(
            job(1, 2, 2), budgets=(budget(10, spent=5, zone=BERLIN, spent_since=MIDNIGHT - 26 * HOUR),), running=(one,)
        ),
        NOON,
    )
    [why] = reasons(plan, 1)
    assert why.code == ReasonCode.BUDGET
    assert why.sentence == (
        "The budget of project vision allows 10 GPU-hours from 2030-05-01 00:00 until 2030-05-02 00:00 (Europe/Berlin): "
        "5 GPU-hours spent and 2 GPU-hours committed to what runs; this job may use 4 GPU-hours of it. "
        "The next day begins then. With a limit of 5400 seconds or a budget of 11 GPU-hours it would be paid now."
    )
    assert why.budget == {
        "id": 1, "project": "vision", "unit": "gpu_hours", "amount": "10", "spent": "5", "committed": "2", "kept": "0",
        "needed": "4", "would_start_with": "11", "next_period": "2030-05-01T22:00:00+00:00", "longest_seconds": 5400,
    }  # fmt: skip


def test_who_cannot_be_paid_takes_no_place_keeps_no_room_and_stops_nobody():
    one = replace(running(900, share(gpu_indices=tuple(range(6))), project="speech", priority=10), checkpointable=True,
                  started_at=NOON - HOUR, expected_end=NOON + HOUR)  # fmt: skip
    rules = Rules(preemption=Preemption(strategies=("priority",)), bounded_wait_seconds=1.0, overdue_ahead=1)
    first = job(1, 4, 3, priority=90, submitted_at=NOON - DAY)
    second = job(2, 1, 3, project="speech", submitted_at=NOON)
    plan = make_plan(world(first, second, running=(one,), rules=rules), NOON)
    assert [done.job_id for done in plan.placements] == [2]
    assert plan.preemptions == ()
    assert plan.reservations == ()
    assert plan.eligible == ()
    assert {why.code for why in reasons(plan, 1)} == {ReasonCode.BUDGET, ReasonCode.RESOURCES}


def test_under_strict_order_too_who_cannot_be_paid_is_passed():
    snap = world(job(1, 4, 3), job(2, 1, 3, project="speech"), rules=Rules(backfill=Backfill.NONE))
    assert placed(snap) == [2]


def test_a_promise_for_which_the_money_is_gone_is_not_kept():
    snap = world(job(1, 4, 3, promised=True), job(2, 8, 1, project="speech"))
    assert placed(snap) == [2]


def test_two_promises_together_stay_within_the_budget():
    snap = world(job(1, 2, 3, promised=True), job(2, 2, 3, promised=True))
    assert placed(snap) == [1]


def test_a_lowered_budget_stops_nothing_that_runs():
    one = replace(running(900, share(gpu_indices=(0,))), started_at=NOON, expected_end=NOON + 9 * HOUR)
    plan = make_plan(world(job(1), running=(one,), budgets=(budget(1),)), NOON)
    assert (plan.placements, plan.preemptions) == ((), ())


def test_who_has_room_promised_keeps_its_money():
    """Job 2 would use up what job 1 needs once the node is free."""
    one = replace(
        running(900, share(gpu_indices=tuple(range(6))), project="speech"), started_at=NOON, expected_end=NOON + HOUR
    )
    plan = make_plan(world(job(1, 4, 2), job(2, 1, 1), job(3, 1, 3), running=(one,), budgets=(budget(9),)), NOON)
    assert [done.job_id for done in plan.placements] == [2]
    [why, *_] = reasons(plan, 3)
    assert (why.code, why.held_by) == (ReasonCode.BUDGET, (1,))


def test_a_floor_holds_back_who_cannot_be_paid():
    queues = (QueueView("default", 10, policy="floor"),)
    snap = world(job(1, 4, 3, submitted_at=NOON), job(2, 2, 1, submitted_at=NOON), queues=queues)
    plan = make_plan(snap, NOON)
    assert [done.job_id for done in plan.placements] == [2]
    assert 1 not in {number for number, one in plan.shadow.jobs.items() if one.started_at is not None}


class Played:
    """A platform from plan to plan, with what each budget has really used in each of its periods."""

    def __init__(self, snap, dice):
        self.snap, self.dice, self.now = replace(snap, rules=replace(snap.rules, explain=False)), dice, NOON
        self.ends: dict[int, float] = {}
        self.used: dict[tuple[int, float], int] = {}
        self.meter = Meter(snap)
        self.starts: dict[int, float] = {}

    def plan(self):
        self.snap = replace(self.snap, taken_at=self.now)
        jobs = {one.id: one for one in self.snap.waiting}
        for one in make_plan(self.snap, self.now).placements:
            job = jobs.pop(one.job_id)
            self.starts[job.id] = self.now
            self.snap = replace(self.snap, running=(*self.snap.running, started(job, one.shares, self.now)))
            self.ends[job.id] = self.now + job.max_runtime_seconds * self.dice.choice((0.1, 0.6, 1.0, 1.0))
        self.snap = replace(self.snap, waiting=tuple(jobs.values()))

    def go_on(self, seconds):
        self.now += seconds
        for one in [one for one in self.snap.running if self.ends[one.id] <= self.now]:
            end = self.ends[one.id]
            self._charge(one, end)
            budgets = with_ended(self.snap, self.meter, one, self.now)
            spent = {each.id: self.used.get((each.id, period_at(each, self.now).start), 0) for each in budgets}
            budgets = tuple(
                replace(each, spent=spent[each.id], spent_since=period_at(each, self.now).start) for each in budgets
            )
            left = tuple(other for other in self.snap.running if other.id != one.id)
            self.snap = replace(self.snap, running=left, budgets=budgets)

    def _charge(self, one, end):
        chain = {"vision": ("vision", "team", "acme"), "team": ("team", "acme"), "speech": ("speech", "acme")}
        for each in self.snap.budgets:
            at = one.started_at
            while each.project in chain[one.project] and at < end:
                span = period_at(each, at)
                key = (each.id, span.start)
                self.used[key] = self.used.get(key, 0) + self.meter.used_by(each, one, span, end, self.now)
                at = span.end


def drawn(dice: Random) -> Snapshot:
    budgets = tuple(
        budget(dice.randint(2, 40), id=number, project=dice.choice(("vision", "team", "acme", "speech")),
               unit=dice.choice(("money", "gpu_hours")), period=dice.choice(("day", "day", "week")),
               zone=dice.choice((UTC, BERLIN)), spent_since=0.0)
        for number in range(1, dice.randint(2, 5))
    )  # fmt: skip
    strategies = dice.choice(((), ("priority",)))
    rules = Rules(
        backfill=dice.choice(tuple(Backfill)), bounded_wait_seconds=dice.choice((None, HOUR)),
        preemption=Preemption(strategies=strategies),
    )  # fmt: skip
    return world(budgets=budgets, nodes=(gpu_node("gpu-1", 4), cpu_node(), gpu_node("gpu-2", 4)), rules=rules)


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_never_more_than_a_hard_budget_is_spent(seed):
    dice = Random(seed)  # noqa: S311 - no secret: the same seed has to give the same world
    played = Played(drawn(dice), dice)
    for step in range(40):
        number = 10 * step
        fresh = [
            job(number + at, dice.randint(0, 4), dice.choice((0.2, 1, 3, 20, 40)), project=dice.choice(("vision", "team", "speech")),
                submitted_at=played.now, priority=dice.choice((10, 50, 90)))
            for at in range(dice.randint(0, 4))
        ]  # fmt: skip
        played.snap = replace(played.snap, waiting=(*played.snap.waiting, *fresh))
        played.plan()
        played.go_on(dice.choice((60, HOUR / 3, 2 * HOUR, 7 * HOUR)))
    played.go_on(100 * DAY)
    for each in played.snap.budgets:
        assert all(used <= each.amount for (number, _), used in played.used.items() if number == each.id)


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_whoever_fits_a_period_starts_however_many_small_jobs_come(seed):
    """The small ones would use up each day's budget, and run over midnight into the next one's."""
    dice = Random(seed)  # noqa: S311 - as above
    gpus, hours = dice.choice(((4, 3), (2, 5), (8, 1.5)))
    size = gpus * hours
    first = job(1, gpus, hours, submitted_at=NOON - 1)
    played = Played(world(first, budgets=(budget(size, spent=size / 2),)), dice)
    played.used[(1, NOON - 12 * HOUR)] = int(size / 2 * MILLION)
    for step in range(24):
        size, length, priority = dice.randint(1, 3), dice.choice((1, 2, 6)), dice.choice((50, 50, 40))
        small = job(1000 + step, size, length, submitted_at=played.now, priority=priority)
        played.snap = replace(played.snap, waiting=(*played.snap.waiting, small))
        played.plan()
        played.go_on(HOUR)
    assert played.starts[1] <= MIDNIGHT + 6 * HOUR
