"""Staying with a log until its attempt is over."""

import time
from collections.abc import Iterator
from typing import NamedTuple

from django.db import connection

from jobs.logs.followers import Reader
from jobs.logs.reader import PIECE_BYTES, Piece, attempt_of, empty_piece, piece_of, read
from jobs.logs.tail import Feed, TailSignal, hub
from jobs.models import Attempt, Job
from scheduling.lifecycle import TERMINAL_STATES

SILENCE_SECONDS = 15.0
"""Who follows hears that often that nothing came."""


def follow(
    job: Job, number: int | None, offset: int, *, seconds: float, rank: int = 0, user_id: int | None = None
) -> Iterator[Piece | None]:
    """Pieces as they come, until the attempt is over or the `seconds` are; None now and then while nothing comes.

    It also ends for a user who is made inactive, or leaves the project.
    """
    with hub.readers.admit(user_id, job.project_id) as reader:
        until = Until(time.monotonic() + seconds, reader)
        attempt = attempt_of(job, number)
        if attempt is None:
            yield from _wait_for_start(job, until)
            attempt = attempt_of(job, number)
        if attempt is not None:
            yield from _follow(attempt, rank, offset, until)
        elif job.state in TERMINAL_STATES:
            yield empty_piece(job, rank)


class Until(NamedTuple):
    """For how long somebody may follow."""

    moment: float
    reader: Reader

    @property
    def remaining(self) -> float:
        """Seconds; none for who may not read any more."""
        return self.moment - time.monotonic() if self.reader.welcome else 0.0


def _wait_for_start(job: Job, until: Until) -> Iterator[None]:
    """Ends with the job's first attempt, with the job, or with the time."""
    with hub.await_start(job.pk) as start:
        while until.remaining > 0:
            version = start.version
            job.refresh_from_db(fields=["state"])
            if job.state in TERMINAL_STATES or job.attempts.exists():
                return
            yield from _wait(start, version, until)


def _follow(attempt: Attempt, rank: int, offset: int, until: Until) -> Iterator[Piece | None]:
    with hub.follow(attempt.pk, rank) as feed:
        while until.remaining > 0:
            version = feed.version
            piece = _next(feed, attempt, rank, offset)
            if piece.text or piece.complete:
                yield piece
            if piece.complete:
                return
            moved, offset = piece.next_offset != offset, piece.next_offset
            if moved:
                continue
            yield from _wait(feed, version, until)


def _next(feed: Feed, attempt: Attempt, rank: int, offset: int) -> Piece:
    """From memory where that has it, else by reading."""
    segment, extent = feed.read(offset, PIECE_BYTES)
    if segment is None:
        return read(attempt, offset, rank=rank)
    return piece_of(segment, attempt=attempt.number, rank=rank, start=offset, extent=extent)


def _wait(watch: TailSignal, version: int, until: Until) -> Iterator[None]:
    """Until there is news after this version, or no time left. Who waits needs no database connection."""
    if not connection.in_atomic_block:
        connection.close()
    while (left := until.remaining) > 0 and not watch.wait(version, min(SILENCE_SECONDS, left)):
        yield None
