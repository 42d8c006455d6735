"""What attempts really used, on record with their end: by it users size their next request, and reports say what stood idle."""

from collections.abc import Mapping, Sequence

from django.db import connection

from jobs.models import Placement
from jobs.state.outcome import PlacementOutcome

# A gang's members are closed one after another: each adds its times to what is there, and memory only if it had more.
ADDED = (
    "cpu_seconds", "gpu_measured_seconds", "gpu_busy_seconds", "gpu_idle_seconds", "gpu_joules", "cpu_joules",
)  # fmt: skip
GREATEST = ("peak_memory_mb", "gpu_peak_memory_mb")
TELLING = ("cpu_seconds", "gpu_measured_seconds", "gpu_joules", "cpu_joules")
"""Who tells none of these has seen nothing of the command."""
ADD = f"""
    UPDATE jobs_attempt SET
        {", ".join(f"{name} = greatest(jobs_attempt.{name}, said.{name})" for name in GREATEST)},
        {", ".join(f"{name} = coalesce(jobs_attempt.{name} + said.{name}, said.{name}, jobs_attempt.{name})" for name in ADDED)},
        energy_partial = coalesce(jobs_attempt.energy_partial, false) OR said.energy_partial
    FROM (
        SELECT attempt_id, {", ".join(f"max({name}) AS {name}" for name in GREATEST)},
               {", ".join(f"sum({name}) AS {name}" for name in ADDED)}, bool_or(energy_partial) AS energy_partial
        FROM unnest(%s::bigint[], {", ".join(["%s::bigint[]"] * len(GREATEST) + ["%s::float8[]"] * len(ADDED))}, %s::bool[])
            AS each (attempt_id, {", ".join((*GREATEST, *ADDED))}, energy_partial)
        GROUP BY attempt_id
    ) AS said
    WHERE jobs_attempt.id = said.attempt_id
"""  # noqa: S608  made of constants


def record(closed: Sequence[Placement], by_id: Mapping[int, PlacementOutcome]) -> None:
    """Add what these placements used, once, as they are closed. Of a gang the greediest member's memory counts."""
    told = [_row(row, ending) for row in closed if (ending := by_id.get(row.pk)) is not None and _counts(row, ending)]
    if told:
        with connection.cursor() as cursor:
            cursor.execute(ADD, [list(column) for column in zip(*told, strict=True)])


def _counts(row: Placement, ending: PlacementOutcome) -> bool:
    """Also of a gang's member of which nothing is known: what the others tell is not all then."""
    return row.attempt.job.nodes > 1 or any(getattr(ending, name) is not None for name in TELLING)


def _row(row: Placement, ending: PlacementOutcome) -> tuple[object, ...]:
    """An agent of an earlier release says nothing of energy: then it is not whole."""
    figures = [getattr(ending, name) for name in (*GREATEST, *ADDED)]
    return (row.attempt_id, *figures, ending.energy_partial is not False)
