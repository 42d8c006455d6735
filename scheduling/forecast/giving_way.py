"""Who would give way to a waiting job if it was to start now: whom the plan stops for it, and who else it may stop by right."""

from dataclasses import dataclass

from scheduling.plan_result import PlannedPreemption
from scheduling.planning.plan import make_plan
from scheduling.planning.stops.victims import Candidates
from scheduling.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class GivingWay:
    """`chosen` are stopped by the next plan; `others` could be, the cheapest first. `left`: so many stops this hour has."""

    starts_now: bool
    left: int
    chosen: tuple[PlannedPreemption, ...] = ()
    others: tuple[PlannedPreemption, ...] = ()


def giving_way(snapshot: Snapshot, now: float, job_id: int) -> GivingWay | None:
    """The planner's own choice, without carrying it out; None if the job does not wait."""
    job = next((one for one in snapshot.waiting if one.id == job_id), None)
    if job is None:
        return None
    plan = make_plan(snapshot, now)
    chosen = tuple(one for one in plan.preemptions if one.for_job == job_id)
    stopped = {one.job_id for one in plan.preemptions}
    candidates = Candidates(snapshot, now)
    others = tuple(
        PlannedPreemption(one.job.id, job_id, one.strategy, candidates.lost(one.job))
        for one in candidates.victims(job)
        if one.job.id not in stopped
    )
    left = max(0, snapshot.rules.preemption.max_per_hour - snapshot.recent_preemptions)
    return GivingWay(any(one.job_id == job_id for one in plan.placements), left, chosen, others)
