"""Jobs over several nodes: the members of a gang start together and end together.

Members are claimed one by one. The job is assigned with the last one; until then the others wait, and renew their
leases. A member that ends badly ends the attempt: those that nobody claimed are closed at once, those that are held are
told to stop. The attempt ends, and the job with it, when the last member's placement is closed, so that no member of
the next attempt can meet one of this.

Whoever claims or closes a member holds the lock of its job, so that there is always one who is the last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobs.messages import placement_messages, publishing
from jobs.models import Attempt, Job, Placement
from scheduling.lifecycle import JobState, PlacementState


@dataclass(frozen=True, slots=True)
class Rendezvous:
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


def join(joining: Sequence[Placement]) -> dict[int, Rendezvous]:
    """What each attempt's gang looks like with `joining` in it; a complete gang's other members are told."""
    attempts = {row.attempt_id for row in joining}
    incomplete = {attempt_id for attempt_id, state in others_of(joining) if state == PlacementState.PLACED}
    # The others would find out by themselves, with their next look; told, they start at once.
    if complete_now := attempts - incomplete:
        others = Placement.objects.filter(attempt__in=complete_now, closed_at__isnull=True)
        waiting = (
            others.exclude(pk__in=[row.pk for row in joining]).select_related("attempt", "node__cluster").order_by("pk")
        )
        publishing.request_placements(placement_messages.placement_messages(list(waiting)))
    return {
        attempt_id: Rendezvous(address, complete=attempt_id not in incomplete)
        for attempt_id, address in meeting_places(attempts).items()
    }


def meeting_places(attempt_ids: Iterable[int]) -> dict[int, str]:
    """Where the members of each of these gangs meet: at the node of its rank 0."""
    masters = Placement.objects.filter(attempt__in=list(attempt_ids), rank=0)
    rows = masters.values_list("attempt_id", "node__address", "node__hostname")
    return {attempt_id: address or hostname for attempt_id, address, hostname in rows}


def others_of(rows: Sequence[Placement]) -> set[tuple[int, str]]:
    """The states, each with its attempt, in which the gangs of `rows` have further open placements."""
    open_rows = Placement.objects.filter(attempt__in={row.attempt_id for row in rows}, closed_at__isnull=True)
    others = open_rows.exclude(pk__in=[row.pk for row in rows]).order_by()
    return set(others.values_list("attempt_id", "state").distinct())


def complete(attempt_ids: Iterable[int]) -> frozenset[int]:
    """Which of these gangs may start their commands: all members are claimed, and nothing has ended yet."""
    # An end that one member has left on record stops all: the others must not start after it.
    together = (JobState.ASSIGNED, JobState.RUNNING)
    rows = Attempt.objects.filter(pk__in=attempt_ids, ended_at__isnull=True, end_reason="", job__state__in=together)
    return frozenset(rows.values_list("pk", flat=True))


def stop_all(attempt_ids: Iterable[int], wish: str) -> None:
    """Wish this of the gangs of these attempts, where they are open and nothing is wished yet; each member hears of it."""
    attempts = Attempt.objects.filter(pk__in=list(attempt_ids), ended_at__isnull=True)
    # Only where nothing is wished yet: a cancellation must not become a restart because a member failed meanwhile.
    Job.objects.filter(pk__in=attempts.values("job_id"), desired="").update(desired=wish)
