"""Moves the logs of attempts that are over from the database to the storage.

Safe to interrupt anywhere, to run twice, and beside anything else. A log's entry names the object before it is
written, so nothing is left behind without a name; its rows are deleted only after the object was read again and its
entry says so. While the storage is away the rows stay where they are, and an alert stands.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from jobs.logs import object_store
from jobs.logs.gaps import ROWS_LOST, TextGap, gap_line
from jobs.models import Attempt
from jobs.models.logs import LogChunk, StoredLog
from jobs.state import alerts

log = logging.getLogger(__name__)
ALERT = "log storage"
ARCHIVE_LOCK = 0x6C6F_6773  # "logs": one pass at a time
PASS_SECONDS = 60.0
MOST_FAILURES = 3
LOGS = 200
ROWS_READ = 64  # 16 MiB at most
ROWS_DELETED = 1000
IN_MEMORY_BYTES = 8 * 1024 * 1024
OF_ENDED_ATTEMPTS = """
    SELECT chunk.attempt_id, chunk.rank FROM jobs_logchunk AS chunk
    JOIN jobs_attempt AS attempt ON attempt.id = chunk.attempt_id AND attempt.ended_at IS NOT NULL
    LEFT JOIN jobs_storedlog AS stored ON stored.attempt_id = chunk.attempt_id AND stored.rank = chunk.rank
    WHERE chunk.number = 0
    ORDER BY stored.tried_at NULLS FIRST, chunk.attempt_id, chunk.rank
    LIMIT %s
"""
DELETE_ROWS = """
    DELETE FROM jobs_logchunk WHERE id IN (
        SELECT id FROM jobs_logchunk WHERE attempt_id = %s AND rank = %s ORDER BY number DESC LIMIT %s
    )
"""


def archive() -> int:
    """One pass; returns how many logs were moved. Does nothing while another pass runs."""
    with our_turn() as ours:
        return _archive() if ours else 0


@contextmanager
def our_turn() -> Iterator[bool]:
    """Whether nobody else is at the stored logs. The lock goes with the connection, whatever becomes of us."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ARCHIVE_LOCK])
        ours = bool(cursor.fetchone()[0])
    try:
        yield ours
    finally:
        if ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ARCHIVE_LOCK])


def _archive() -> int:
    stored = failed = 0
    until = time.monotonic() + PASS_SECONDS
    for attempt_id, rank in _logs_of_ended_attempts():
        if failed >= MOST_FAILURES or time.monotonic() > until:
            break
        if _archive_one(attempt_id, rank):
            stored += 1
        else:
            failed += 1
    if not failed:
        alerts.clear(ALERT)
    return stored


def _logs_of_ended_attempts() -> list[tuple[int, int]]:
    """Those that have rows, first those that were not tried yet."""
    with connection.cursor() as cursor:
        cursor.execute(OF_ENDED_ATTEMPTS, [LOGS])
        return list(cursor.fetchall())


def _archive_one(attempt_id: int, rank: int) -> bool:
    """Move one log; false, and an alert, if the storage would not have it. Its rows are there as before, then."""
    try:
        _move_to_storage(attempt_id, rank)
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:  # whatever a storage raises: the next pass tries again
        log.exception("The log of attempt %d, rank %d, could not be stored.", attempt_id, rank)
        alerts.raise_(ALERT, f"Logs stay in the database: the storage failed ({type(error).__name__}: {error}).")
        return False
    return True


def _move_to_storage(attempt_id: int, rank: int) -> None:
    entry = _entry(attempt_id, rank)
    if entry.stored_at is None and not _store(entry):
        return
    delete_rows(attempt_id, rank)


def _entry(attempt_id: int, rank: int) -> StoredLog:
    """The log's entry, with the name of an object that nobody has written yet unless it is stored already."""
    name = _new_name(attempt_id, rank)
    entry, new = StoredLog.objects.get_or_create(attempt_id=attempt_id, rank=rank, defaults={"name": name})
    if not new and entry.stored_at is None:
        object_store.storage().delete(entry.name)  # of a pass that did not come to its end
        StoredLog.objects.filter(pk=entry.pk, stored_at=None).update(name=name, tried_at=Now())
        entry.name = name
    return entry


def _new_name(attempt_id: int, rank: int) -> str:
    attempt = Attempt.objects.only("job_id", "number").get(pk=attempt_id)
    return f"{attempt.job_id}/{attempt.number}-{rank}-{uuid4().hex[:12]}.log.gz"


def _store(entry: StoredLog) -> bool:
    """Write, verify and record the object; false if another pass has taken the entry over meanwhile."""
    gaps: list[TextGap] = []
    with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
        packed = object_store.pack(_text(entry, gaps), file)
        object_store.save(entry.name, file, packed)
    ours = StoredLog.objects.filter(pk=entry.pk, name=entry.name, stored_at=None).update(
        size=packed.size,
        stored_size=packed.stored_size,
        sha256=packed.sha256,
        blocks=packed.blocks,
        gaps=[[gap.offset, gap.length, gap.missing, gap.reason] for gap in gaps],
        stored_at=Now(),
    )
    if not ours:
        object_store.storage().delete(entry.name)
    return bool(ours)


def _text(entry: StoredLog, gaps: list[TextGap]) -> Iterator[bytes]:
    """The log from its rows; what is missing from it goes into `gaps` on the way."""
    offset = expected = 0
    for chunk in _rows(entry):
        data = bytes(chunk.data)
        if chunk.offset > expected:
            lost = chunk.offset - expected
            told = gap_line(lost, ROWS_LOST, inside_line=offset > 0)
            gaps.append(TextGap(offset, len(told), lost, ROWS_LOST))
            yield told
            offset += len(told)
        if chunk.gap:
            gaps.append(TextGap(offset, len(data), chunk.missing, chunk.gap))
        yield data
        offset += len(data)
        expected = chunk.offset + len(data)


def _rows(entry: StoredLog) -> Iterator[LogChunk]:
    rows = LogChunk.objects.filter(attempt=entry.attempt_id, rank=entry.rank).order_by("number")
    following = 0
    while some := list(rows.filter(number__gte=following)[:ROWS_READ]):
        yield from some
        following = some[-1].number + 1


def delete_rows(attempt_id: int, rank: int) -> None:
    """Delete the rows of a log, the first one last, in pieces that lock nothing for long."""
    with connection.cursor() as cursor:
        deleted = ROWS_DELETED
        while deleted == ROWS_DELETED:
            cursor.execute(DELETE_ROWS, [attempt_id, rank, ROWS_DELETED])
            deleted = cursor.rowcount
