"""Everything that can be said about one waiting job: its place, its reasons, its start, and what would start it now.

The plan is that of the whole platform. A smaller one would be wrong now and then: who waits without a reservation still
counts in the order (the oldest that are overdue, fair shares) and in where a job is placed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from scheduling.forecast.blockers import BlockerContext, with_expected_clear
from scheduling.forecast.budget_changes import raised_budgets
from scheduling.forecast.effort import Effort
from scheduling.forecast.forecast import Forecast, forecast
from scheduling.forecast.model_quota_changes import raised_model_quotas
from scheduling.forecast.quota_changes import raised_quotas
from scheduling.forecast.rollout import carried_out
from scheduling.forecast.whatif import Change, smallest_changes
from scheduling.plan_result import Plan, PlannedJob, PlannedPreemption, PlannedReservation
from scheduling.planning.plan import make_plan
from scheduling.reasons import Reason
from scheduling.snapshot import Snapshot, WaitingJob

BRIEF = Effort(jobs=200, plans=40)


@dataclass(frozen=True, slots=True)
class Outlook:
    """About a job that waits. `placement` is where it would start now; then it has no reasons, and needs no changes.

    Only who could start once there is room has a `position`, and `line_length` counts those. `preemptions` are the
    running jobs that the plan stops for it.
    """

    position: int | None
    line_length: int
    start: Forecast
    reasons: tuple[Reason, ...] = ()
    changes: tuple[Change, ...] = ()
    reservation: PlannedReservation | None = None
    placement: PlannedJob | None = None
    ends: Mapping[int, float] = field(default_factory=dict, hash=False)  # of the jobs that hold what it needs
    preemptions: tuple[PlannedPreemption, ...] = ()


def outlook(
    snapshot: Snapshot, now: float, job_id: int, known: Mapping[int, Forecast] | None = None, effort: Effort = BRIEF
) -> Outlook | None:
    """The answer for a job of the snapshot; None if it does not wait.

    `known` are forecasts that were made already: those that are missing are made, in brief.
    """
    job = next((one for one in snapshot.waiting if one.id == job_id), None)
    if job is None:
        return None
    plan = make_plan(replace(snapshot, rules=replace(snapshot.rules, explain=True)), now)
    placement = next((one for one in plan.placements if one.job_id == job_id), None)
    if placement is not None:
        return Outlook(None, len(plan.eligible), Forecast(now, now, now + effort.worst_lag), placement=placement)
    starts = dict(known or {})
    missing = {job_id, *job.unmet} - starts.keys()
    starts |= forecast(snapshot, now, missing, effort) if missing else {}
    scene = BlockerContext.of(carried_out(snapshot, plan, now), now, starts)
    reasons = with_expected_clear(job, next(wait.reasons for wait in plan.waits if wait.job_id == job_id), scene)
    holders = {holder for reason in reasons for holder in reason.held_by}
    gives_way = tuple(one for one in plan.preemptions if one.for_job == job_id)
    holders |= {one.job_id for one in gives_way}
    return Outlook(
        position=plan.eligible.index(job_id) + 1 if job_id in plan.eligible else None,
        line_length=len(plan.eligible),
        start=starts[job_id],
        reasons=reasons,
        changes=_changes(snapshot, now, job, plan),
        reservation=next((one for one in plan.reservations if one.job_id == job_id), None),
        ends={job_id: end for job_id, end in scene.ends.items() if job_id in holders},
        preemptions=gives_way,
    )


def _changes(snapshot: Snapshot, now: float, job: WaitingJob, plan: Plan) -> tuple[Change, ...]:
    """To the job first, as its owner can make them; then to quotas and budgets."""
    own = smallest_changes(snapshot, now, job.id, plan)
    return (
        *own,
        *raised_quotas(snapshot, now, job, plan),
        *raised_model_quotas(snapshot, now, job, plan),
        *raised_budgets(snapshot, now, job, plan),
    )
