"""What an operator is told before jobs are deleted."""

from collections.abc import Sequence

from jobs.control.job_deletion import over
from jobs.models import Job


def preview(jobs: Sequence[Job]) -> tuple[list[str], dict[str, int], set[str], list[str]]:
    """What Django's confirmation page asks for: to be deleted, counts, missing rights, protected.

    Attempts, events, logs and metrics go with their job. They are not listed: that would load every byte of the logs.
    """
    free = set(over(Job.objects.filter(pk__in=[job.pk for job in jobs])).values_list("pk", flat=True))
    protected = [f"Job {job} is {job.state}, or a job that waits needs it" for job in jobs if job.pk not in free]
    deleted = [f"Job {job} with its attempts, events and logs" for job in jobs if job.pk in free]
    return deleted, {"jobs": len(deleted)}, set(), protected
