"""What became of the promises of a floor: told by comparing the shadow schedule before a plan and after it."""

from collections.abc import Iterator

from jobs.models import JobEvent
from scheduling.forecast.whatif import spelt
from scheduling.planning.eligibility import is_held
from scheduling.reasons import listed
from scheduling.snapshot import Shadow, ShadowJob, Snapshot, WaitingJob

NONE_YET = Shadow(0.0)
EXACT = 1e-3
"""Two starts that differ by less are one that has waited for its job."""


def kept(snapshot: Snapshot, after: Shadow) -> int:
    """How many have left the shadow as they ended there too, and it never had to wait for them longer than is tolerated."""
    before = snapshot.shadow or NONE_YET
    ended = {one.job.id for one in snapshot.ended if not one.given_up}
    given_up = {one.job.id for one in snapshot.ended if one.given_up}
    return sum(
        one.late_seconds <= snapshot.rules.floor_tolerance_seconds
        for job_id, one in before.jobs.items()
        if job_id not in after.jobs and job_id not in given_up and (one.work_seconds is not None or job_id in ended)
    )


def broken(snapshot: Snapshot, after: Shadow) -> Iterator[JobEvent]:
    """An event for the history of each job whose promise this plan could not keep, with the reason."""
    before, tolerated = snapshot.shadow or NONE_YET, snapshot.rules.floor_tolerance_seconds
    for job_id, one in after.jobs.items():
        known = before.jobs.get(job_id)
        if one.late_seconds > tolerated and (known is None or known.late_seconds <= tolerated):
            yield _event(job_id, "late", f"it is {spelt(round(one.late_seconds))} behind what it was promised.")
    for job in snapshot.waiting:
        promised = before.jobs.get(job.id)
        if promised is not None and _was_taken_back(promised, after.jobs.get(job.id)):
            yield _event(job.id, *_why_taken_back(job, promised, before, snapshot.taken_at))


def _was_taken_back(before: ShadowJob, after: ShadowJob | None) -> bool:
    """Whether its start in the shadow is not there any more; one that has only waited for the job still is."""
    if before.started_at is None or before.work_seconds is not None:
        return False
    if after is None or after.started_at is None:
        return True
    return abs((after.started_at - after.late_seconds) - (before.started_at - before.late_seconds)) >= EXACT


def _why_taken_back(job: WaitingJob, promised: ShadowJob, before: Shadow, now: float) -> tuple[str, str]:
    if is_held(job, now):
        return "held", "when its turn came it was held back, or had to wait for a time or for other jobs."
    names = sorted({before.nodes.get(share.node, share.node) for share in promised.shares})
    return "node", f"{listed(names)}, where it had its turn, {'takes' if len(names) == 1 else 'take'} no jobs now."


def _event(job_id: int, why: str, words: str) -> JobEvent:
    message = f"Its start is later than promised: {words}"
    return JobEvent(job_id=job_id, kind="promise_broken", message=message, data={"reason": why})
