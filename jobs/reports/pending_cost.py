"""What the jobs that wait are expected to cost: of a queue, or of a project with everything below it."""

from decimal import Decimal

from django.db.models import Q, Sum

from jobs.models import Job
from jobs.submission.pricing import PER_HOUR
from quotas.costs.reports import ids_below
from quotas.models import Project
from scheduling.lifecycle import JobState


def pending_of(prefix: str = "") -> Q:
    """Jobs that wait and whose whole cost is expected: of those without a known end only that of an hour is."""
    return Q(**{f"{prefix}state": JobState.PENDING}) & ~Q(**{f"{prefix}cost_basis": PER_HOUR})


def pending_cost(project: Project) -> Decimal | None:
    """None: nothing that waits there has a price."""
    waiting = Job.objects.filter(pending_of(), project__in=ids_below(project))
    total: Decimal | None = waiting.aggregate(total=Sum("estimated_cost"))["total"]
    return total
