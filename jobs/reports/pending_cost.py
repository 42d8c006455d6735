"""Of which waiting jobs the cost is expected: for the sums of queues, projects and the whole platform."""

from django.db.models import Q

from jobs.submission.pricing import PER_HOUR
from scheduling.lifecycle import JobState


def pending_of(prefix: str = "") -> Q:
    """Jobs that wait and whose whole cost is expected: of those without a known end only that of an hour is."""
    return Q(**{f"{prefix}state": JobState.PENDING}) & ~Q(**{f"{prefix}cost_basis": PER_HOUR})
