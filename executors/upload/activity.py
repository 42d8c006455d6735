"""When the commands of a node last showed a sign of life, and their GPUs last worked, on its way to the database.

`stalls.py` judges by the first; by the other it is found who leaves GPUs idle.
"""

import time
from collections.abc import Sequence

from django.db import connection

from executors.run.placement_run import PlacementRun

TOLD_SECONDS = 10.0
"""A command that is busy all the time is told of so often; one that may stall soon, more often."""
WRITE = """
    UPDATE jobs_placement AS placement
    SET active_at = greatest(placement.active_at, statement_timestamp() - make_interval(secs => said.ago)),
        gpus_active_at = greatest(placement.gpus_active_at, statement_timestamp() - make_interval(secs => said.gpus_ago)),
        gpus_measured_at = greatest(placement.gpus_measured_at, statement_timestamp() - make_interval(secs => said.look_ago))
    FROM unnest(%s::bigint[], %s::text[], %s::float8[], %s::float8[], %s::float8[])
             AS said (placement_id, token, ago, gpus_ago, look_ago),
         jobs_attempt AS attempt
    WHERE placement.id = said.placement_id AND attempt.id = placement.attempt_id AND attempt.token::text = said.token
      AND placement.closed_at IS NULL
"""


def ship(runs: Sequence[PlacementRun]) -> None:
    """Say of those of which there is news how long ago that was: no clock but the database's counts."""
    now = time.monotonic()
    due = [run for run in runs if _sign_is_due(run, now) or _look_is_due(run, now)]
    if not due:
        return
    with connection.cursor() as cursor:
        told = [_row(run, now) for run in due]
        # `greatest` in the statement: what comes late must not take a later sign back.
        cursor.execute(WRITE, [list(column) for column in zip(*told, strict=True)])
    for run in due:
        if run.active_at > run.active_told:
            run.active_told = now
        run.gpus_told = now


def _sign_is_due(run: PlacementRun, now: float) -> bool:
    often = min(TOLD_SECONDS, (run.claimed.stall_seconds or TOLD_SECONDS * 8) / 8)
    return run.active_at > run.active_told and now - run.active_told >= often


def _look_is_due(run: PlacementRun, now: float) -> bool:
    looked_at = run.measured.gpu.measured_at
    return looked_at is not None and looked_at > run.gpus_told and now - run.gpus_told >= TOLD_SECONDS


def _row(run: PlacementRun, now: float) -> tuple[object, ...]:
    """None of what there is not: `greatest` passes it over."""
    gpu = run.measured.gpu
    moments = (run.active_at or None, gpu.active_at, gpu.measured_at)
    return (run.placement_id, run.claimed.token, *(None if at is None else now - at for at in moments))
