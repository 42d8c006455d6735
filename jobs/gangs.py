"""Jobs over several nodes: the members of a gang start together and end together.

Members are claimed one by one. The job is assigned with the last one; until then the others wait, and renew their
leases. A member that ends badly ends the attempt: those that nobody claimed are closed at once, those that are held are
told to stop. The attempt ends, and the job with it, when the last member's placement is closed, so that no member of
the next attempt can meet one of this.

Whoever claims or closes a member holds the lock of its job, so that there is always one who is the last.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs import dispatch, publishing
from jobs.models import Attempt, Job, Placement
from scheduling.lifecycle import JobState, PlacementState

END = "end"
"""The wish that tells the other members to stop. A wish of the job's owner is stronger."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the members of a gang meet, and whether all of them are there."""

    address: str
    complete: bool


def among(rows: Iterable[Placement]) -> list[Placement]:
    """Those of `rows` that are members of gangs."""
    return [row for row in rows if row.attempt.job.nodes > 1]


def lock_jobs(rows: Iterable[Placement]) -> None:
    """Lock the jobs of all `rows`, gangs or not, in the order in which everybody locks them."""
    job_ids = {row.attempt.job_id for row in rows}
    list(Job.objects.select_for_update(no_key=True).filter(pk__in=job_ids).order_by("pk").values_list("pk"))


def meet(joining: Sequence[Placement]) -> dict[int, Meeting]:
    """What each attempt's gang looks like with `joining` in it; a complete gang's other members are told."""
    here = {row.pk for row in joining}
    meetings = {}
    bells: list[Placement] = []
    for attempt_id, gang in members({row.attempt_id for row in joining}).items():
        others = [member for member in gang if member.pk not in here]
        complete = all(member.state == PlacementState.CLAIMED for member in others)
        master = gang[0].node
        meetings[attempt_id] = Meeting(master.address or master.hostname, complete)
        bells += others if complete else []
    if bells:
        publishing.request_placements(dispatch.doorbells(bells))
    return meetings


def gathered(attempt_ids: Iterable[int]) -> frozenset[int]:
    """Which of these gangs may start their commands: all members are claimed, and nothing has ended yet."""
    together = (JobState.ASSIGNED, JobState.RUNNING)
    rows = Attempt.objects.filter(pk__in=attempt_ids, ended_at__isnull=True, end_reason="", job__state__in=together)
    return frozenset(rows.values_list("pk", flat=True))


def stop_all(attempt_ids: Iterable[int], wish: str) -> None:
    """Wish this of the gangs of these attempts, where they are open and nothing is wished yet; each member hears of it."""
    attempts = Attempt.objects.filter(pk__in=list(attempt_ids), ended_at__isnull=True)
    Job.objects.filter(pk__in=attempts.values("job_id"), desired="").update(desired=wish)


def members(attempt_ids: Iterable[int]) -> dict[int, list[Placement]]:
    """The open placements of these attempts, by rank."""
    rows = Placement.objects.filter(attempt__in=list(attempt_ids), closed_at__isnull=True)
    members: dict[int, list[Placement]] = defaultdict(list)
    for row in rows.select_related("attempt", "node").order_by("attempt_id", "rank"):
        members[row.attempt_id].append(row)
    return members
