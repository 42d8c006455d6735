"""Which jobs were deleted as they were too old, so that nodes may remove what these left there."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef

from jobs.models import ForgottenJob, Job
from quotas.clock import database_now

KEPT = timedelta(days=365)
"""A node that was away for longer keeps what it has."""


def remember(ended: Mapping[int, datetime]) -> None:
    """These jobs have just been deleted, in the caller's transaction."""
    rows = (ForgottenJob(job=job, ended_at=at) for job, at in ended.items())
    ForgottenJob.objects.bulk_create(rows, ignore_conflicts=True)


def forgotten(jobs: Collection[int]) -> list[int]:
    """Those of these whose folders may go, the first ended first. Never one that there is: it could run again."""
    there = Exists(Job.objects.filter(pk=OuterRef("job")))
    found = ForgottenJob.objects.filter(~there, job__in=list(jobs))
    return list(found.order_by("ended_at", "job").values_list("job", flat=True))


def prune() -> None:
    """Drop what no node will ask for any more."""
    ForgottenJob.objects.filter(deleted_at__lt=database_now() - KEPT).delete()
