"""What became of the promises of a floor: those that were kept, and for the history of each job the one that was not."""

from collections.abc import Iterator
from datetime import UTC, datetime

from jobs.models import JobEvent
from scheduling.plan_result import BrokenPromise, Plan, WhyBroken
from scheduling.reasons import listed, spelt
from scheduling.snapshot import Shadow, ShadowJob, Snapshot

NONE_YET = Shadow(0.0)
WORDS = {
    WhyBroken.HELD: "when its turn came it was held back, or had to wait for a time or for other jobs.",
    WhyBroken.LATE: "it is {late} behind what it was promised.",
    WhyBroken.NODE: "{names}, where it had its turn, {take} no jobs now.",
    WhyBroken.PREEMPTED: "job {names} has its place, for which others may be stopped.",
    WhyBroken.QUEUE: "queue {names} is paused, or runs fewer jobs at once now.",
    WhyBroken.QUOTA: "the {quotas} {names} would be exceeded now.",
    WhyBroken.RESERVED: "its place is kept for others ({names}).",
}


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


def broken(snapshot: Snapshot, plan: Plan) -> Iterator[JobEvent]:
    """An event for the history of each job whose promise this plan could not keep: which start it was, and the reason."""
    before, after = snapshot.shadow or NONE_YET, plan.shadow or NONE_YET
    for one in plan.broken:
        known, now = before.jobs.get(one.job_id), after.jobs.get(one.job_id)
        late = now.late_seconds if now else 0.0
        yield JobEvent(
            job_id=one.job_id,
            kind="promise_broken",
            message=f"Its start is later than promised: {_words(one, late)}",
            data={"reason": one.why, "promised_start": _promised_start(known or now)},
        )


def _promised_start(one: ShadowJob | None) -> str | None:
    """When it was to start, as the shadow had it before that waited for the job."""
    if one is None or one.started_at is None:
        return None
    return datetime.fromtimestamp(one.started_at - one.late_seconds, UTC).isoformat()


def _words(one: BrokenPromise, late_seconds: float) -> str:
    several = len(one.subjects) > 1
    return WORDS[one.why].format(
        names=listed(one.subjects or ("",)),
        late=spelt(round(late_seconds)),
        take="take" if several else "takes",
        quotas="quotas of projects" if several else "quota of project",
    )
