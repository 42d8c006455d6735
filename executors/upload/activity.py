"""When the commands of a node last showed a sign of life, on its way to the database: `stalls.py` judges by it."""

import time
from collections.abc import Sequence

from django.db import connection

from executors.run.placement_run import PlacementRun

TOLD_SECONDS = 10.0
"""A command that is busy all the time is told of so often; one that may stall soon, more often."""
WRITE = """
    UPDATE jobs_placement AS placement
    SET active_at = greatest(placement.active_at, statement_timestamp() - make_interval(secs => said.ago))
    FROM unnest(%s::bigint[], %s::text[], %s::float8[]) AS said (placement_id, token, ago), jobs_attempt AS attempt
    WHERE placement.id = said.placement_id AND attempt.id = placement.attempt_id AND attempt.token::text = said.token
      AND placement.closed_at IS NULL
"""


def ship(runs: Sequence[PlacementRun]) -> None:
    """Say of those that showed a sign since the last time how long ago that was: no clock but the database's counts."""
    now = time.monotonic()
    due = [
        run
        for run in runs
        if run.active_at > run.active_told
        and now - run.active_told >= min(TOLD_SECONDS, (run.claimed.stall_seconds or TOLD_SECONDS * 8) / 8)
    ]
    if not due:
        return
    with connection.cursor() as cursor:
        told = [(run.placement_id, run.claimed.token, now - run.active_at) for run in due]
        # `greatest` in the statement: what comes late must not take a later sign back.
        cursor.execute(WRITE, [list(column) for column in zip(*told, strict=True)])
    for run in due:
        run.active_told = now
