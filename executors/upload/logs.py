"""What running jobs print, on its way to the database: numbered chunks, a batch a node."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction

from executors.run.placement_run import PlacementRun
from jobs.models.logs import LogChunk

CHUNKS_A_TURN = 4
TURN_BYTES = 4 * 1024 * 1024
"""The most that a node sends at once, whatever its jobs print: the rest waits on its disk, and leases are renewed meanwhile."""
OPEN = """
    SELECT placement.id, coalesce(followed.until > statement_timestamp(), false)
    FROM unnest(%s::bigint[], %s::uuid[]) AS mine (placement_id, token)
    JOIN jobs_placement AS placement ON placement.id = mine.placement_id AND placement.closed_at IS NULL
    JOIN jobs_attempt AS attempt
        ON attempt.id = placement.attempt_id AND attempt.token = mine.token AND attempt.ended_at IS NULL
    LEFT JOIN jobs_followedlog AS followed ON followed.attempt_id = attempt.id
    ORDER BY placement.id
    FOR SHARE OF placement
"""
"""Locked until the chunks are stored: nothing is added to the log of a placement that was closed."""


@dataclass
class Batch:
    """Chunks of several runs, and which runs may have more to say."""

    chunks: dict[PlacementRun, list[LogChunk]] = field(default_factory=dict)
    unfinished: set[PlacementRun] = field(default_factory=set)


def ship_logs(runs: Sequence[PlacementRun]) -> None:
    """Store new output: a few chunks of each run, those first that have waited longest."""
    _store(_gather(runs))


def ship_tails(runs: Sequence[PlacementRun]) -> set[PlacementRun]:
    """As `ship_logs`, for runs that have ended; returns those whose log is stored to the end, or not theirs to store."""
    batch = _gather(runs)
    stale = _store(batch)
    return set(runs) - (batch.unfinished - stale)


def _gather(runs: Sequence[PlacementRun]) -> Batch:
    batch, left = Batch(), TURN_BYTES
    for run in runs:
        if run.log.unsure:
            run.log.resume()
    # In turns, a chunk each: one that prints without end leaves room for the others.
    waiting = deque(sorted(runs, key=lambda run: run.log.sent_at))
    while waiting and left > 0:
        run = waiting.popleft()
        chunk = run.log.next_chunk()
        if chunk is None:
            continue
        run.log.unsure = True  # until the database has said that it has it
        mine = batch.chunks.setdefault(run, [])
        mine.append(chunk)
        left -= len(chunk.data)
        if len(mine) < CHUNKS_A_TURN:
            waiting.append(run)
        else:
            batch.unfinished.add(run)
    batch.unfinished.update(waiting)
    return batch


def _store(batch: Batch) -> set[PlacementRun]:
    """Store the chunks in one transaction; returns those runs that are stale: what they say is dropped."""
    if not batch.chunks:
        return set()
    with transaction.atomic():
        followed = _lock_open(list(batch.chunks))
        mine = [run for run in batch.chunks if run.placement_id in followed]
        LogChunk.objects.bulk_create(chunk for run in mine for chunk in batch.chunks[run])
    # After the commit only: had it failed, they would be `unsure` still, and gathered anew from what is stored.
    now = time.monotonic()
    for run in batch.chunks:
        run.log.unsure = False
        run.log.followed = followed.get(run.placement_id, False)
        run.log.sent_at = now
    return set(batch.chunks) - set(mine)


def _lock_open(runs: Sequence[PlacementRun]) -> dict[int, bool]:
    """Those placements that are still open for these tokens, and whether somebody follows their logs."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN, [[run.placement_id for run in runs], [run.claimed.token for run in runs]])
        return dict(cursor.fetchall())
