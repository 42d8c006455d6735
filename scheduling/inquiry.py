"""Everything that can be said about one waiting job: its place, its reasons, its start, and what would start it now."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from scheduling.clearing import Scene, with_clearing
from scheduling.decisions import Plan, PlannedJob, PlannedReservation
from scheduling.forecast import Effort, Forecast, forecast
from scheduling.plan import make_plan
from scheduling.reasons import Reason
from scheduling.snapshot import Snapshot, WaitingJob
from scheduling.whatif import Change, smallest_changes

BRIEF = Effort(jobs=200, plans=40)


@dataclass(frozen=True, slots=True)
class Answer:
    """About a job that waits. `placement` is where it would start now; then it has no reasons, and needs no changes."""

    position: int
    line_length: int
    start: Forecast
    reasons: tuple[Reason, ...] = ()
    changes: tuple[Change, ...] = ()
    reservation: PlannedReservation | None = None
    placement: PlannedJob | None = None
    ends: Mapping[int, float] = field(default_factory=dict, hash=False)  # of the jobs that hold what it needs


def inquire(
    snapshot: Snapshot, now: float, job_id: int, known: Mapping[int, Forecast] | None = None, effort: Effort = BRIEF
) -> Answer | None:
    """The answer for a job of the snapshot; None if it does not wait.

    `known` are forecasts that were made already: those that are missing are made, in brief.
    """
    job = next((one for one in snapshot.waiting if one.id == job_id), None)
    if job is None:
        return None
    plan = make_plan(replace(snapshot, rules=replace(snapshot.rules, explain=False)), now)
    placement = next((one for one in plan.placements if one.job_id == job_id), None)
    if placement is not None:
        return Answer(0, len(plan.line), Forecast(now, now, now + effort.worst_lag), placement=placement)
    starts = dict(known or {})
    missing = {job_id, *job.unmet} - starts.keys()
    starts |= forecast(snapshot, now, missing, effort) if missing else {}
    scene = Scene.of(snapshot, now, starts)
    reasons = with_clearing(job, _reasons(snapshot, now, job, plan), scene)
    holders = {holder for reason in reasons for holder in reason.held_by}
    return Answer(
        position=plan.line.index(job_id) + 1,
        line_length=len(plan.line),
        start=starts[job_id],
        reasons=reasons,
        changes=smallest_changes(snapshot, now, job_id, plan),
        reservation=next((one for one in plan.reservations if one.job_id == job_id), None),
        ends={job_id: end for job_id, end in scene.ends.items() if job_id in holders},
    )


def _reasons(snapshot: Snapshot, now: float, job: WaitingJob, plan: Plan) -> tuple[Reason, ...]:
    """As in the plan, but found for this job alone: who waits without a reservation changes nothing for it."""
    counts = {one.job_id for one in plan.placements} | {one.job_id for one in plan.reservations} | {job.id}
    waiting = tuple(one for one in snapshot.waiting if one.id in counts)
    explained = replace(snapshot, waiting=waiting, rules=replace(snapshot.rules, explain=True))
    return next(wait.reasons for wait in make_plan(explained, now).waits if wait.job_id == job.id)
