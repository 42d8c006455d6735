"""What attempts really used, on record with their end: by it users size their next request."""

from collections.abc import Mapping, Sequence

from django.db import connection

from jobs.models import Placement
from jobs.state.outcome import PlacementOutcome

# A gang's members are closed one after another: each adds its CPU time to what is there, and memory only if it had more.
ADD = """
    UPDATE jobs_attempt SET
        peak_memory_mb = greatest(jobs_attempt.peak_memory_mb, said.peak_memory_mb),
        cpu_seconds = coalesce(jobs_attempt.cpu_seconds + said.cpu_seconds, said.cpu_seconds, jobs_attempt.cpu_seconds)
    FROM (
        SELECT attempt_id, max(peak_memory_mb) AS peak_memory_mb, sum(cpu_seconds) AS cpu_seconds
        FROM unnest(%s::bigint[], %s::bigint[], %s::float8[]) AS each (attempt_id, peak_memory_mb, cpu_seconds)
        GROUP BY attempt_id
    ) AS said
    WHERE jobs_attempt.id = said.attempt_id
"""


def record(closed: Sequence[Placement], by_id: Mapping[int, PlacementOutcome]) -> None:
    """Add what these placements used, once, as they are closed. Of a gang the greediest member's memory counts."""
    told = [
        (row.attempt_id, ending.peak_memory_mb, ending.cpu_seconds)
        for row in closed
        if (ending := by_id.get(row.pk)) is not None and ending.cpu_seconds is not None
    ]
    if told:
        with connection.cursor() as cursor:
            cursor.execute(ADD, [list(column) for column in zip(*told, strict=True)])
