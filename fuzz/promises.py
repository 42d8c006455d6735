"""What is told about a waiting job is carried out, and has to come true: reasons, offers, quotes."""

from dataclasses import replace
from random import Random

from fuzz import offers, reasons
from fuzz.cohorts import is_shared
from fuzz.findings import expect
from fuzz.foretelling import check_first_promise, check_forecasts
from fuzz.state import State
from scheduling.forecast.effort import Effort
from scheduling.forecast.outlook import Outlook, outlook
from scheduling.forecast.rollout import carried_out
from scheduling.plan_result import Plan
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.plan import make_plan
from scheduling.snapshot import Snapshot, WaitingJob

EFFORT = Effort(jobs=200, plans=10)
ASKED = 2
UNBORN = 2**61
"""The id of a job that is asked about before it is submitted."""


def check_promises(state: State, world: Snapshot, plan: Plan, dice: Random) -> None:
    for job in dice.sample(world.waiting, min(ASKED, len(world.waiting))):
        answer = _asked(world, state.now, job.id)
        _is_what_the_plan_says(job, answer, plan)
        reasons.check(carried_out(world, plan, state.now), state.now, job, answer.reasons)
        offers.check(world, state.now, job, answer.changes)
    _a_quote_is_what_one_gets(world, state, dice)
    if not world.rules.preemption.strategies and not keeps_floor(world) and not is_shared(world):
        check_forecasts(state, world)
        check_first_promise(state, world, plan, dice)


def _asked(world: Snapshot, now: float, job_id: int) -> Outlook:
    answer = outlook(world, now, job_id, effort=EFFORT)
    if answer is None:
        raise AssertionError(f"job {job_id} waits, and nothing is known of it")
    return answer


def _is_what_the_plan_says(job: WaitingJob, answer: Outlook, plan: Plan) -> None:
    placed = next((one for one in plan.placements if one.job_id == job.id), None)
    expect(answer.placement == placed, "explain", f"job {job.id}: told {answer.placement}, planned {placed}")
    expect(answer.reasons or placed, "explain", f"job {job.id} waits, and no reason is told")
    start = answer.start
    times = [one for one in (start.soonest, start.expected, start.latest) if one is not None]
    expect(times == sorted(times), "explain", f"job {job.id}: {start}")


def _a_quote_is_what_one_gets(world: Snapshot, state: State, dice: Random) -> None:
    """With the next id, as if it was submitted at once."""
    seed = dice.choice(sorted(state.known.values(), key=lambda one: one.job.id)).job
    number = 1 + offers.highest_id(world)
    fresh = replace(seed, id=UNBORN, submitted_at=state.now, held="", not_before=None)
    told = _asked(replace(world, waiting=(*world.waiting, fresh)), state.now, UNBORN)
    plan = make_plan(replace(world, waiting=(*world.waiting, replace(fresh, id=number))), state.now)
    got = next((one.shares for one in plan.placements if one.job_id == number), None)
    quoted = told.placement.shares if told.placement else None
    expect(got == quoted, "quote", f"{fresh}: quoted {quoted}, got {got}")
    gives_way = {one.job_id for one in told.preemptions}
    stopped = {one.job_id for one in plan.preemptions if one.for_job == number}
    expect(gives_way == stopped, "quote", f"{fresh}: quoted that {gives_way} give way, {stopped} did")
