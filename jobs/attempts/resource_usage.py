"""What attempts really used, on record with their end: by it users size their next request, and reports say what stood idle."""

from collections.abc import Mapping, Sequence

from django.db import connection

from jobs.models import Placement
from jobs.state.outcome import PlacementOutcome

# A gang's members are closed one after another: each adds its times to what is there, and memory only if it had more.
ADDED = ("cpu_seconds", "gpu_measured_seconds", "gpu_busy_seconds")
ADD = f"""
    UPDATE jobs_attempt SET
        peak_memory_mb = greatest(jobs_attempt.peak_memory_mb, said.peak_memory_mb),
        {", ".join(f"{name} = coalesce(jobs_attempt.{name} + said.{name}, said.{name}, jobs_attempt.{name})" for name in ADDED)}
    FROM (
        SELECT attempt_id, max(peak_memory_mb) AS peak_memory_mb, {", ".join(f"sum({name}) AS {name}" for name in ADDED)}
        FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::float8[], %s::float8[])
            AS each (attempt_id, peak_memory_mb, {", ".join(ADDED)})
        GROUP BY attempt_id
    ) AS said
    WHERE jobs_attempt.id = said.attempt_id
"""  # noqa: S608  made of constants


def record(closed: Sequence[Placement], by_id: Mapping[int, PlacementOutcome]) -> None:
    """Add what these placements used, once, as they are closed. Of a gang the greediest member's memory counts."""
    told = [
        (row.attempt_id, ending.peak_memory_mb, *(getattr(ending, name) for name in ADDED))
        for row in closed
        if (ending := by_id.get(row.pk)) is not None
        and (ending.cpu_seconds is not None or ending.gpu_measured_seconds is not None)
    ]
    if told:
        with connection.cursor() as cursor:
            cursor.execute(ADD, [list(column) for column in zip(*told, strict=True)])
