"""The way in: a snapshot and the time go in; starts, stops, promises and reasons come out."""

from scheduling.nodes.gang_places import with_gangs_in_one_place
from scheduling.plan_result import PendingJob, Plan, PlannedJob, PlannedPreemption, PlannedReservation
from scheduling.planning.floor.follow import follow, keeps_floor, plan_with_floor
from scheduling.planning.one_pass import is_placed, plan_pass
from scheduling.snapshot import Snapshot

__all__ = ["PendingJob", "Plan", "PlannedJob", "PlannedPreemption", "PlannedReservation", "make_plan", "starts_now"]


def make_plan(snapshot: Snapshot, now: float) -> Plan:
    """The plan for this snapshot at this moment; the same two always give the same plan."""
    snapshot = with_gangs_in_one_place(snapshot)
    return plan_with_floor(snapshot, now) if keeps_floor(snapshot) else plan_pass(snapshot, now)


def starts_now(snapshot: Snapshot, now: float, job_id: int) -> bool:
    """Whether `make_plan` places this job, without the time for the rest."""
    snapshot = with_gangs_in_one_place(snapshot)
    if not keeps_floor(snapshot):
        return is_placed(snapshot, now, job_id)
    followed = follow(snapshot, now)
    return is_placed(followed.world, now, job_id, followed.not_yet)
