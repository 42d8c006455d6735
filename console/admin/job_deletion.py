"""Which jobs may be deleted by hand: those that are over, unless another job still waits for their outcome."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from jobs.models import Job, JobDependency
from scheduling.lifecycle import TERMINAL_STATES


def over(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Those of `jobs` that may be deleted."""
    unfinished = JobDependency.objects.filter(needs=OuterRef("pk")).exclude(job__state__in=TERMINAL_STATES)
    return jobs.filter(~Exists(unfinished), state__in=TERMINAL_STATES)


@transaction.atomic
def delete(jobs: QuerySet[Job]) -> None:
    """Delete those that may be. Locked first: one that is just being made to need one of them is seen."""
    locked = list(jobs.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    over(Job.objects.filter(pk__in=locked)).delete()


def preview(jobs: Sequence[Job]) -> tuple[list[str], dict[str, int], set[str], list[str]]:
    """What Django's confirmation page asks for: to be deleted, counts, missing rights, protected.

    Attempts, events, logs and metrics go with their job. They are not listed: that would load every byte of the logs.
    """
    free = set(over(Job.objects.filter(pk__in=[job.pk for job in jobs])).values_list("pk", flat=True))
    protected = [f"Job {job} is {job.state}, or a job that waits needs it" for job in jobs if job.pk not in free]
    deleted = [f"Job {job} with its attempts, events and logs" for job in jobs if job.pk in free]
    return deleted, {"jobs": len(deleted)}, set(), protected
