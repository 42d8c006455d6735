"""Which jobs may be deleted, by hand or when they are old: those that are over, unless another job still waits for their outcome."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from jobs.models import Job, JobDependency, Workload
from jobs.usage import job_counts
from scheduling.lifecycle import TERMINAL_STATES


def over(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Those of `jobs` that may be deleted."""
    unfinished = JobDependency.objects.filter(needs=OuterRef("pk")).exclude(job__state__in=TERMINAL_STATES)
    return jobs.filter(~Exists(unfinished), state__in=TERMINAL_STATES)


@transaction.atomic
def delete(jobs: QuerySet[Job], *, skip_locked: bool = False) -> int:
    """Delete those that may be, and answer how many that were; with `skip_locked`, none that somebody is at work on.

    Locked first: one that is just being made to need one of them is seen.
    """
    rows = jobs.select_for_update(of=("self",), skip_locked=skip_locked)
    locked = list(rows.order_by("pk").values_list("pk", flat=True))
    going = list(over(Job.objects.filter(pk__in=locked)).values_list("pk", flat=True))
    jobs_of = Job.objects.filter(pk__in=going)
    theirs = set(jobs_of.filter(workload__isnull=False).values_list("workload", flat=True))
    job_counts.keep_of(going)
    _, by_model = jobs_of.delete()
    _delete_emptied(theirs)
    return by_model.get(Job._meta.label, 0)  # noqa: SLF001  Django's own way


def _delete_emptied(workloads: Collection[int]) -> None:
    """Workloads go with their last job. Locked first: to one that is just being submitted to a job comes."""
    if workloads:
        rows = Workload.objects.select_for_update(skip_locked=True).filter(pk__in=workloads)
        locked = list(rows.order_by("pk").values_list("pk", flat=True))
        left = Job.objects.filter(workload__in=locked).values_list("workload", flat=True)
        Workload.objects.filter(pk__in=set(locked) - set(left.distinct())).delete()
