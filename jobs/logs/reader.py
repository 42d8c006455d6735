"""What an attempt has printed, each rank of it for itself: any part of it, wherever it lies. Offsets count bytes.

While an attempt is open its log is in rows; afterwards `jobs/logs/archive.py` moves it to the storage. Nobody who reads
it can tell, except by the clock.
"""

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import connection

from jobs.logs import object_store
from jobs.logs.gaps import OBJECT_LOST, ROWS_LOST, TextGap, gap_line
from jobs.models import Attempt, Job
from jobs.models.logs import StoredLog
from scheduling.errors import NotFoundError
from scheduling.lifecycle import TERMINAL_STATES

PIECE_BYTES = 256 * 1024
EXTENT = """
    SELECT attempt.ended_at IS NOT NULL, coalesce(stored.size, (
        SELECT "offset" + length(data) FROM jobs_logchunk
        WHERE attempt_id = %(attempt)s AND rank = %(rank)s ORDER BY number DESC LIMIT 1
    ), 0), stored.id
    FROM jobs_attempt AS attempt LEFT JOIN jobs_storedlog AS stored
        ON stored.attempt_id = attempt.id AND stored.rank = %(rank)s AND stored.stored_at IS NOT NULL
    WHERE attempt.id = %(attempt)s
"""
RANGE = """
    SELECT chunk.offset, chunk.data, chunk.gap, chunk.missing FROM jobs_logchunk AS chunk
    WHERE chunk.attempt_id = %(attempt)s AND chunk.rank = %(rank)s AND chunk.offset < %(end)s AND chunk.number >= (
        SELECT coalesce(max(number), 0) FROM jobs_logchunk
        WHERE attempt_id = %(attempt)s AND rank = %(rank)s AND "offset" <= %(start)s
    )
    ORDER BY chunk.number
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of what one rank of an attempt printed. `complete`: the attempt is over and nothing comes after `next_offset`.

    `gaps` are those whose lines begin in it.
    """

    attempt: int | None
    rank: int
    offset: int
    next_offset: int
    text: str
    complete: bool
    gaps: tuple[TextGap, ...] = ()


@dataclass(frozen=True, slots=True)
class Extent:
    """How long a log is, whether more may come, and its entry if it is in the storage: all at one moment."""

    over: bool
    end: int
    stored_id: int | None


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes of a log. They are as long as the place that they take up, unless they tell of bytes that cannot be had."""

    data: bytes
    length: int
    gaps: tuple[TextGap, ...] = ()


NOTHING = Segment(b"", 0)


def attempt_of(job: Job, number: int | None) -> Attempt | None:
    """That attempt, or the latest one if there is one yet; raises NotFoundError for a number that never was."""
    if number is None:
        return job.attempts.last()
    attempt = job.attempts.filter(number=number).first()
    if attempt is None:
        raise NotFoundError(f"Job {job.pk} has no attempt {number}.")
    return attempt


def require_rank(job: Job, rank: int) -> None:
    """Raises NotFoundError for a rank that no attempt of the job has."""
    if rank >= job.nodes:
        has = f"the ranks 0 to {job.nodes - 1}" if job.nodes > 1 else "rank 0 only"
        raise NotFoundError(f"Job {job.pk} has no rank {rank}: it has {has}.")


def empty_piece(job: Job, rank: int = 0) -> Piece:
    return Piece(None, rank, 0, 0, "", complete=job.state in TERMINAL_STATES)


def read(attempt: Attempt, offset: int, limit: int = PIECE_BYTES, *, rank: int = 0) -> Piece:
    """Up to `limit` bytes from `offset` on, or from so many bytes before the end when it is negative.

    A character that is cut in half at the end is left for the next piece, unless nothing comes after it. Raises
    UnavailableError when the log lies in a storage that does not answer.
    """
    extent = _extent(attempt.pk, rank)
    start = offset if offset >= 0 else max(extent.end + offset, 0)
    segment = _segment(attempt.pk, rank, start, limit, extent)
    return piece_of(segment, attempt=attempt.number, rank=rank, start=start, extent=extent)


def piece_of(segment: Segment, *, attempt: int, rank: int, start: int, extent: Extent) -> Piece:
    """The segment as text."""
    last = extent.over and start + segment.length >= extent.end
    text, used = _decode(segment.data, last=last)
    following = start + (used if len(segment.data) == segment.length else segment.length)
    gaps = tuple(gap for gap in segment.gaps if gap.offset < following)
    return Piece(attempt, rank, start, following, text, complete=last, gaps=gaps)


def pieces(attempt: Attempt, offset: int, *, rank: int = 0) -> Iterator[bytes]:
    """All bytes from `offset` on that are there by now."""
    extent = _extent(attempt.pk, rank)
    start = offset if offset >= 0 else max(extent.end + offset, 0)
    while (segment := _segment(attempt.pk, rank, start, _to_the_next_block(start), extent)).length:
        start += segment.length
        yield segment.data


def _to_the_next_block(start: int) -> int:
    return object_store.BLOCK_BYTES - start % object_store.BLOCK_BYTES


def _extent(attempt_id: int, rank: int) -> Extent:
    with connection.cursor() as cursor:
        cursor.execute(EXTENT, {"attempt": attempt_id, "rank": rank})
        return Extent(*(cursor.fetchone() or (True, 0, None)))  # nothing comes of an attempt that was deleted


def _segment(attempt_id: int, rank: int, start: int, limit: int, extent: Extent) -> Segment:
    if start >= extent.end:
        return NOTHING
    if extent.stored_id is None:
        found = _from_rows(attempt_id, rank, start, limit)
        if found is not None:
            return found
        extent = _extent(attempt_id, rank)  # the rows went into the storage meanwhile, or are lost
        if extent.stored_id is None:
            return _in_place_of_rows(attempt_id, rank, start, extent.end)
    return _from_storage(extent.stored_id, start, limit)


def _from_rows(attempt_id: int, rank: int, start: int, limit: int) -> Segment | None:
    """What the rows have from exactly there on, as far as it is coherent; None if they have not that place."""
    rows = _rows(attempt_id, rank, start, start + limit)
    data, gaps = b"", list[TextGap]()
    for offset, chunk, gap, missing in rows:
        if offset > start + len(data):
            break
        data += bytes(chunk)[max(start - offset, 0) :]
        if gap and offset >= start:
            gaps.append(TextGap(offset, len(chunk), missing, gap))
    return Segment(data[:limit], len(data[:limit]), tuple(gaps)) if data else None


def _in_place_of_rows(attempt_id: int, rank: int, start: int, end: int) -> Segment:
    """A line in place of rows that somebody removed."""
    following = (offset for offset, *_ in _rows(attempt_id, rank, start, end) if offset > start)
    return _lost(start, next(following, end) - start, ROWS_LOST)


def _rows(attempt_id: int, rank: int, start: int, end: int) -> Sequence[tuple[int, bytes, str, int | None]]:
    with connection.cursor() as cursor:
        cursor.execute(RANGE, {"attempt": attempt_id, "rank": rank, "start": start, "end": end})
        return cursor.fetchall()


def _from_storage(stored_id: int, start: int, limit: int) -> Segment:
    stored = StoredLog.objects.filter(pk=stored_id).first()
    if stored is None or start >= stored.size:
        return NOTHING  # forgotten meanwhile
    try:
        data = object_store.read(stored, start, limit)
    except object_store.DAMAGED as error:
        whole = isinstance(error, FileNotFoundError)
        rest = stored.size - start if whole else min(_to_the_next_block(start), stored.size - start)
        return _lost(start, rest, OBJECT_LOST)
    told = (TextGap(*gap) for gap in stored.gaps)
    return Segment(data, len(data), tuple(gap for gap in told if start <= gap.offset < start + len(data)))


def _lost(start: int, length: int, reason: str) -> Segment:
    line = gap_line(length, reason, inside_line=start > 0)
    return Segment(line, length, (TextGap(start, len(line), length, reason),))


def _decode(data: bytes, *, last: bool) -> tuple[str, int]:
    """The text, and how many of the bytes are in it. What is no text shows as replacement characters."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, last)
    return text, len(data) - len(decoder.getstate()[0])
