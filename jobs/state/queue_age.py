"""Since when a job stands in line: neither what it waits for others nor the time that it is held or paused makes it older."""

from typing import Any

from django.db.models import DateTimeField, ExpressionWrapper, F, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce, Greatest, Least, Now

from jobs.models import Job, JobDependency


def eligible_at(
    came: float, not_before: float | None, last_end: float | None, begin: float | None = None
) -> float | None:
    """None where it is when it came: of most. A job that is tried again after a while keeps its place in line.

    One that is to begin later has none until then.
    """
    known = [moment for moment in (last_end, begin) if moment is not None]
    if not known:
        return None if not_before is None else came
    return max(came, *known)


class LastEnd(Subquery):
    """When the last of a job's dependencies ended; null where it has none."""

    def __init__(self) -> None:
        needs = JobDependency.objects.filter(job=OuterRef("pk")).order_by().values("job")
        super().__init__(needs.annotate(at=Max("needs__finished_at")).values("at"))

    def __repr__(self) -> str:
        """The same for all jobs: by that they are found of which the same is written."""
        return "LastEnd()"


def back_in_queue(job: Job) -> dict[str, Any]:
    """It is as old in line as it was when it left it."""
    if job.out_of_line_since is None:
        return {}
    left = F("out_of_line_since")
    aged = Least(left, Greatest(Coalesce("in_line_since", "created_at"), LastEnd(), "begin_at"))
    return {
        "in_line_since": ExpressionWrapper(aged + (Now() - left), output_field=DateTimeField()),
        "out_of_line_since": None,
    }
