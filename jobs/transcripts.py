"""What an attempt has printed, each rank of it for itself: any part of it, and what comes while somebody watches. Offsets count bytes."""

import codecs
import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from jobs.models import Attempt, Job
from scheduling.errors import NotFoundError
from scheduling.lifecycle import TERMINAL_STATES

POLL_SECONDS = 0.5
PIECE_BYTES = 256 * 1024
STATE = """
    SELECT ended_at IS NOT NULL, coalesce((
        SELECT "offset" + length(data) FROM jobs_logchunk
        WHERE attempt_id = %(attempt)s AND rank = %(rank)s ORDER BY number DESC LIMIT 1
    ), 0)
    FROM jobs_attempt WHERE id = %(attempt)s
"""
RANGE = """
    SELECT chunk.offset, chunk.data FROM jobs_logchunk AS chunk
    WHERE chunk.attempt_id = %(attempt)s AND chunk.rank = %(rank)s AND chunk.offset < %(end)s AND chunk.number >= (
        SELECT coalesce(max(number), 0) FROM jobs_logchunk
        WHERE attempt_id = %(attempt)s AND rank = %(rank)s AND "offset" <= %(start)s
    )
    ORDER BY chunk.number
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of what one rank of an attempt printed. `complete`: the attempt is over and nothing comes after `next_offset`."""

    attempt: int | None
    rank: int
    offset: int
    next_offset: int
    text: str
    complete: bool


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


def nothing_yet(job: Job, rank: int = 0) -> Piece:
    return Piece(None, rank, 0, 0, "", complete=job.state in TERMINAL_STATES)


def read(attempt: Attempt, offset: int, limit: int = PIECE_BYTES, *, rank: int = 0) -> Piece:
    """Up to `limit` bytes from `offset` on, or from so many bytes before the end when it is negative.

    A character that is cut in half at the end is left for the next piece, unless nothing comes after it.
    """
    over, end = _state(attempt.pk, rank)
    start = offset if offset >= 0 else max(end + offset, 0)
    data = _bytes(attempt.pk, rank, start, limit) if start < end else b""
    last = over and start + len(data) >= end
    text, used = _decode(data, last=last)
    return Piece(attempt.number, rank, start, start + used, text, complete=last)


def pieces(attempt: Attempt, offset: int, *, rank: int = 0) -> Iterator[bytes]:
    """All bytes from `offset` on that are there by now."""
    _, end = _state(attempt.pk, rank)
    start = offset if offset >= 0 else max(end + offset, 0)
    while data := _bytes(attempt.pk, rank, start, PIECE_BYTES):
        start += len(data)
        yield data


def follow(job: Job, number: int | None, offset: int, *, seconds: float, rank: int = 0) -> Iterator[Piece | None]:
    """Pieces as they come, until the attempt is over or the `seconds` are; None each time that nothing came."""
    give_up_at = time.monotonic() + seconds
    attempt = attempt_of(job, number)
    while time.monotonic() < give_up_at:
        piece = read(attempt, offset, rank=rank) if attempt else nothing_yet(job, rank)
        offset = piece.next_offset if attempt else offset
        yield piece if piece.text or piece.complete else None
        if piece.complete:
            return
        if not piece.text:
            time.sleep(POLL_SECONDS)
        if attempt is None:
            job.refresh_from_db(fields=["state"])
            attempt = attempt_of(job, number)


def _state(attempt_id: int, rank: int) -> tuple[bool, int]:
    """Whether the attempt is over, and how long its output is, at the same moment: no tail is missed."""
    with connection.cursor() as cursor:
        cursor.execute(STATE, {"attempt": attempt_id, "rank": rank})
        over, end = cursor.fetchone()
    return over, end


def _bytes(attempt_id: int, rank: int, start: int, limit: int) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute(RANGE, {"attempt": attempt_id, "rank": rank, "start": start, "end": start + limit})
        chunks = cursor.fetchall()
    data = b"".join(bytes(chunk) for _, chunk in chunks)
    skipped = start - chunks[0][0] if chunks else 0
    return data[skipped : skipped + limit]


def _decode(data: bytes, *, last: bool) -> tuple[str, int]:
    """The text, and how many of the bytes are in it. What is no text shows as replacement characters."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, last)
    return text, len(data) - len(decoder.getstate()[0])
