"""Jobs that reported progress once and then none for long: first a word in their history, then what the job chose."""

from datetime import timedelta

from django.conf import settings
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce, Now

from jobs import transitions
from jobs.models import Job, JobEvent
from jobs.wishes import STALL
from scheduling.lifecycle import JobState

SWEEP = 500
WARNED, STALLED = "stall_warning", "stalled"


def judge() -> int:
    """One look at all that runs; returns how many jobs are stopped for it. A suspended job does not stall."""
    _tell(_silent(0.5), WARNED, "No progress for half of the time that the job may be without any.")
    _tell(_silent(1).filter(stall_action="warn"), STALLED, "No progress for longer than the job's limit; it goes on.")
    job_ids = list(_silent(1).filter(stall_action="stop").values_list("pk", flat=True)[:SWEEP])
    still = Job.objects.filter(pk__in=job_ids, state=JobState.RUNNING, desired="", suspended_at__isnull=True)
    still.update(desired=STALL)
    transitions.note(job_ids, STALLED, message="No progress for longer than the job's limit; its node stops it.")
    return len(job_ids)


def _silent(share: float) -> QuerySet[Job]:
    """Those without progress for this share of their limit."""
    limit = ExpressionWrapper(
        Coalesce(F("stall_seconds"), Value(settings.STALL_SECONDS)) * Value(timedelta(seconds=share)),
        output_field=DurationField(),
    )
    return Job.objects.filter(
        state=JobState.RUNNING,
        desired="",
        suspended_at__isnull=True,
        progress_at__isnull=False,
        progress_at__lt=Now() - limit,
    )


def _tell(jobs: QuerySet[Job], kind: str, message: str) -> None:
    """Once for each time that the progress stood still."""
    told = JobEvent.objects.filter(job=OuterRef("pk"), kind=kind, at__gt=OuterRef("progress_at"))
    transitions.note(list(jobs.exclude(Exists(told)).values_list("pk", flat=True)[:SWEEP]), kind, message=message)
