"""GPU-hours, whatever they cost: from the intervals of placements that have ended."""

from datetime import UTC, datetime
from math import inf

from jobs.models.queries import rows
from quotas.budgets.spent import bounds
from scheduling.sharing.periods import Span
from scheduling.sharing.prices import PLATFORM_FAULTS
from scheduling.sharing.rates import MILLION

# Left out is what would be refunded if it had a price: what nobody was charged for, and what the platform failed.
SPENT = """
    SELECT job.project_id,
           sum(cardinality(placement.gpu_indices)
               * extract(epoch FROM least(placement.closed_at, %s) - greatest(placement.created_at, %s)))
    FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id
    JOIN jobs_job AS job ON job.id = attempt.job_id
    WHERE placement.closed_at > %s AND placement.closed_at <= %s AND placement.created_at < %s AND NOT (placement.gpu_indices = '{}')
        AND placement.end_reason <> '' AND NOT attempt.end_reason = ANY(%s)
    GROUP BY job.project_id
"""
HOUR = 3_600


def gpu_hours_spent(span: Span, booked: Span | None = None) -> dict[int, int]:
    """In that period, by project and without what lies below it, in millionths of a GPU-hour.

    Of what ended in all that time, or after the one moment and until the other.
    """
    start, end = (datetime.fromtimestamp(one, UTC) for one in span)
    after, before = bounds(booked or Span(span.start, inf))
    found = rows(SPENT, end, start, after, before, end, [str(one) for one in PLATFORM_FAULTS])
    return {project: round(seconds * MILLION / HOUR) for project, seconds in found}
