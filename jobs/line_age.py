"""Since when a job stands in line: neither what it waits for others nor the time that it is held or paused makes it older."""

from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper, F, Max, Value
from django.db.models.functions import Coalesce, Greatest, Least, Now

from jobs.models import Job, JobDependency


def eligible_at(came: float, not_before: float | None, last_end: float | None) -> float | None:
    """None where it is when it came: of most. A job that is tried again after a while keeps its place in line."""
    if last_end is None:
        return None if not_before is None else came
    return max(came, last_end)


def in_line_again(job: Job) -> dict[str, Any]:
    """It is as old in line as it was when it left it."""
    if job.out_of_line_since is None:
        return {}
    last = JobDependency.objects.filter(job=job).aggregate(at=Max("needs__finished_at"))["at"]
    left = F("out_of_line_since")
    since = Coalesce("in_line_since", "created_at")
    aged = Least(left, Greatest(since, Value(last))) if last else since
    return {
        "in_line_since": ExpressionWrapper(aged + (Now() - left), output_field=DateTimeField()),
        "out_of_line_since": None,
    }
