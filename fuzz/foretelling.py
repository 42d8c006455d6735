"""Forecasts and the promise to the first in line, played forward while nothing unforeseen happens."""

from dataclasses import replace
from random import Random

from fuzz.findings import expect
from fuzz.state import State, moments
from scheduling.forecast import runtime_assumptions
from scheduling.forecast.forecast import forecast
from scheduling.plan_result import Plan
from scheduling.planning.plan import make_plan
from scheduling.run_times import latest_end, limit_seconds
from scheduling.snapshot import RunningJob, Snapshot, WaitingJob

MOST_ENDS = 60
"""In larger worlds ends are taken several at a time, and what is foretold is coarser."""
A_MOMENT = 2.0
TWICE = 2
STEADY = frozenset({"fifo", "backfill", "priority", "edf"})
"""Under these policies time alone changes no order."""


def check_forecasts(state: State, world: Snapshot) -> None:
    """Where all run as long as expected, all start when expected; who is said never to start does not."""
    if not _is_foreseeable(world, state.now):
        return
    told = forecast(world, state.now)
    usual, rules = runtime_assumptions.expected(), world.rules
    other = state.branch(lambda job: usual.run(job, rules), lambda job: usual.end(job, state.now, rules))
    starts = _played(other)
    for job_id, one in told.items():
        came = starts.get(job_id)
        right = came is None if one.expected is None else came is not None and abs(came - one.expected) <= A_MOMENT
        expect(right, "forecast", f"job {job_id}: foretold {one} at {state.now}, started {came}")


def check_first_promise(state: State, world: Snapshot, plan: Plan, dice: Random) -> None:
    """Who is first in line and has a reservation starts by then, however much sooner than at their limits others end."""
    if not plan.line or not _is_foreseeable(world, state.now) or not _stays_first(world, state.now, plan.line[0]):
        return
    first = next((one for one in plan.reservations if one.job_id == plan.line[0]), None)
    if first is None:
        return
    until = state.now

    def length(job: WaitingJob) -> float:
        return max(1.0, limit_seconds(job, world.rules) * dice.random())

    def end(job: RunningJob) -> float:
        return until + (latest_end(job, until, world.rules.assumed_limit_seconds) - until) * dice.random()

    came = _played(state.branch(length, end), {first.job_id}).get(first.job_id)
    in_time = came is not None and came <= first.start + A_MOMENT
    expect(in_time, "promise", f"job {first.job_id} was to start by {first.start}, at {state.now}, and started {came}")


def _is_foreseeable(world: Snapshot, now: float) -> bool:
    late = any(job.expected_end is not None and job.expected_end <= now for job in world.running)
    assumed = world.rules.assumed_limit_seconds
    late |= any(job.expected_end is None and now >= (job.started_at or now) + assumed for job in world.running)
    unsteady = any(job.leaving or job.suspended_since is not None for job in world.running)
    return not late and not unsteady and len(world.waiting) + len(world.running) <= MOST_ENDS


def _stays_first(world: Snapshot, now: float, job_id: int) -> bool:
    """Nobody comes before it as time goes by: it has waited longest, and too long; or nothing depends on the time."""
    rules, jobs = world.rules, {job.id: job for job in world.waiting}
    job, bound = jobs[job_id], rules.bounded_wait_seconds
    if bound is not None:
        oldest = min(jobs.values(), key=lambda one: (one.waits_since, one.id))
        return oldest is job and now - job.waits_since >= TWICE * bound
    policies = {one.policy or rules.policy for one in world.queues}
    later = any(job.unmet or job.not_before is not None for job in world.waiting)
    return policies <= STEADY and not later and not rules.ageing_points_per_hour


def _played(state: State, wanted: set[int] | None = None) -> dict[int, float]:
    """When each job starts, if the planner runs whenever a job ends or a time has come."""
    starts: dict[int, float] = {}
    state.counts_usage = False
    for moment in moments(state.cluster, state.waiting.values()):
        if moment > state.now:
            state.at(moment, lambda: None)
    while True:
        plan = make_plan(replace(state.snapshot(), rules=replace(state.cluster.rules, explain=False)), state.now)
        for placed in plan.placements:
            starts[placed.job_id] = state.now
            state.start(placed)
        if plan.next_at is not None and not state.keeps_floor:  # enough GPU time ahead is used up then
            state.at(plan.next_at, lambda: None)
        if (wanted is not None and wanted <= starts.keys()) or not state.advance(float("inf")):
            return starts
