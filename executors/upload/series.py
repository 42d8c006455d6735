"""The series of running jobs on their way to the database, all of a node in one statement, and back when an agent restarts."""

import math
import time
from array import array
from collections.abc import Sequence

from django.db import connection

from executors.run.placement_run import PlacementRun
from jobs.metric_history.store import as_series
from jobs.models.metrics import MetricSeries, ReportMark
from workers.runtime.series import SeriesSet

SHIP_SECONDS = 10.0
"""A run's series are stored at most so often: each time whole. Its latest values travel with its progress, each second."""
WRITE = """
    WITH told AS (
        SELECT said.* FROM unnest(%s::bigint[], %s::uuid[], %s::bigint[], %s::bigint[], %s::float8[])
            AS said (attempt_id, token, "offset", refused, step)
        JOIN jobs_attempt AS attempt ON attempt.id = said.attempt_id AND attempt.token = said.token
        WHERE attempt.ended_at IS NULL
    ), marked AS (
        INSERT INTO jobs_reportmark (attempt_id, "offset", refused, step)
        SELECT attempt_id, "offset", refused, step FROM told
        ON CONFLICT (attempt_id) DO UPDATE
        SET "offset" = excluded.offset, refused = excluded.refused, step = excluded.step
    )
    INSERT INTO jobs_metricseries (attempt_id, name, count, steps, times, values)
    SELECT attempt_id, name, count, steps::float8[], times::float8[], values::float8[]
    FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[])
        AS kept (attempt_id, name, count, steps, times, values)
    JOIN told USING (attempt_id)
    ON CONFLICT (attempt_id, name) DO UPDATE
    SET count = excluded.count, steps = excluded.steps, times = excluded.times, values = excluded.values
"""


def ship(runs: Sequence[PlacementRun], *, to_the_end: bool = False) -> None:
    """Store what changed of the runs whose turn it is, or of all that have ended. A stale attempt writes nothing."""
    now = time.monotonic()
    due = [run for run in runs if run.report.has_unstored and (to_the_end or now >= run.series_due)]
    if not due:
        return
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [*_marks(due), *_columns(due)])
    for run in due:
        run.report.stored()
        run.series_due = now + SHIP_SECONDS


def _marks(runs: Sequence[PlacementRun]) -> list[list[object]]:
    return [
        [run.claimed.attempt_id for run in runs],
        [run.claimed.token for run in runs],
        [run.report.offset for run in runs],
        [run.report.refused for run in runs],
        [None if math.isnan(run.report.series.step) else run.report.series.step for run in runs],
    ]


def _columns(runs: Sequence[PlacementRun]) -> list[list[object]]:
    changed = [
        (run, name, run.report.series.series[name]) for run in runs for name in sorted(run.report.series.changed)
    ]
    return [
        [run.claimed.attempt_id for run, _, _ in changed],
        [name for _, name, _ in changed],
        [series.count for _, _, series in changed],
        [_literal(series.steps) for _, _, series in changed],
        [_literal(series.times) for _, _, series in changed],
        [_literal(series.values) for _, _, series in changed],
    ]


def _literal(numbers: "array[float]") -> str:
    """As PostgreSQL writes an array: it knows no array of arrays of several lengths."""
    return "{" + ",".join(map(repr, numbers)) + "}"


def resume(run: PlacementRun) -> None:
    """Go on after what is stored: for a run that an earlier agent began."""
    # The mark was stored with the series, in one statement: from there on the report is read again, and nothing twice.
    mark = ReportMark.objects.filter(attempt_id=run.claimed.attempt_id).first()
    if mark is None:
        return
    restored = SeriesSet()
    restored.step = math.nan if mark.step is None else mark.step
    restored.series = {
        row.name: as_series(row) for row in MetricSeries.objects.filter(attempt_id=run.claimed.attempt_id)
    }
    run.report.go_on(offset=mark.offset, refused=mark.refused, series=restored)
