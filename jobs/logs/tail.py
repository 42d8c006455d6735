"""Logs that are followed: one thread of a web process looks at all of them in one statement, and wakes who waits.

However many people follow, and however long the logs are, a look costs what is new. A follower who has caught up
takes what comes out of memory: it makes no query and keeps no connection.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from jobs.logs.followers import Readers
from jobs.logs.gaps import TextGap
from jobs.logs.reader import Extent, Segment
from scheduling.lifecycle import TERMINAL_STATES

log = logging.getLogger(__name__)
POLL_SECONDS = 0.2
AFTER_FAILURE_SECONDS = 1.0
MARK_SECONDS = 10.0
"""How often the agents are told that somebody watches: they believe it for three times as long."""
KEPT_BYTES = 1024 * 1024
CHUNKS_A_LOOK = 8  # of one log: who prints faster is read from the rows by each follower
LAST_CHUNK = """
    SELECT number, "offset" + length(data) FROM jobs_logchunk
    WHERE attempt_id = %s AND rank = %s ORDER BY number DESC LIMIT 1
"""
LOOK = """
    SELECT mine.attempt_id, mine.rank, attempt.ended_at IS NOT NULL, stored.size,
           chunk.number, chunk.offset, chunk.data, chunk.gap, chunk.missing
    FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS mine (attempt_id, rank, after)
    JOIN jobs_attempt AS attempt ON attempt.id = mine.attempt_id
    LEFT JOIN jobs_storedlog AS stored
        ON stored.attempt_id = mine.attempt_id AND stored.rank = mine.rank AND stored.stored_at IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT number, "offset", data, gap, missing FROM jobs_logchunk
        WHERE attempt_id = mine.attempt_id AND rank = mine.rank AND number > mine.after
        ORDER BY number LIMIT %s
    ) AS chunk ON true
    ORDER BY mine.attempt_id, mine.rank, chunk.number
"""
STARTED = """
    SELECT job.id FROM jobs_job AS job WHERE job.id = ANY(%s) AND (
        job.state = ANY(%s) OR EXISTS (SELECT FROM jobs_attempt AS attempt WHERE attempt.job_id = job.id)
    )
"""
MARK = """
    INSERT INTO jobs_followedlog (attempt_id, until)
    SELECT id, statement_timestamp() + make_interval(secs => %s) FROM jobs_attempt WHERE id = ANY(%s) ORDER BY id
    ON CONFLICT (attempt_id) DO UPDATE SET until = excluded.until
"""


@dataclass(frozen=True, slots=True)
class Recent:
    """A chunk that has just come."""

    offset: int
    data: bytes
    gap: str
    missing: int | None

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


class TailSignal:
    """Something that people wait for: `version` moves on with each piece of news."""

    def __init__(self) -> None:
        self.version = 0
        self.followers = 0
        self._news = threading.Condition()

    def wait(self, version: int, seconds: float) -> bool:
        """Whether there was news after this version, or came within the time."""
        with self._news:
            return self._news.wait_for(lambda: self.version != version, seconds)

    def notify(self) -> None:
        with self._news:
            self.version += 1
            self._news.notify_all()


class Feed(TailSignal):
    """One log that is followed: how long it is, whether more may come, and what came last."""

    def __init__(self, number: int, end: int) -> None:
        super().__init__()
        self.number = number
        self.extent = Extent(over=False, end=end, stored_id=None)
        self.marked = False
        self._recent: deque[Recent] = deque()
        self._kept = 0

    def read(self, offset: int, limit: int) -> tuple[Segment | None, Extent]:
        """What came last, from exactly there on; None if that has to be read elsewhere."""
        with self._news:
            return self._read_recent(offset, limit), self.extent

    def add(self, rows: Sequence[Any], *, over: bool, size: int | None) -> None:
        """What one look has found: new chunks, in order, and the log's size in the storage, if it is there by now."""
        with self._news:
            before = self.extent
            for number, offset, data, gap, missing in rows:
                self._keep(Recent(offset, bytes(data), gap, missing))
                self.number = number
            end = max(self.extent.end, size or 0)
            self.extent = Extent(over=over and len(rows) < CHUNKS_A_LOOK, end=end, stored_id=None)
        if self.extent != before:
            self.notify()

    def _read_recent(self, offset: int, limit: int) -> Segment | None:
        if not self._recent or offset < self._recent[0].offset or self._recent[-1].end < self.extent.end:
            return None
        data, gaps = b"", list[TextGap]()
        for one in self._recent:
            if one.end <= offset or len(data) >= limit:
                continue
            if one.gap and one.offset >= offset:
                gaps.append(TextGap(one.offset, len(one.data), one.missing, one.gap))
            data += one.data[max(offset - one.offset, 0) :]
        return Segment(data[:limit], len(data[:limit]), tuple(gaps))

    def _keep(self, one: Recent) -> None:
        if self._recent and self._recent[-1].end != one.offset:
            self._recent.clear()
            self._kept = 0
        self._recent.append(one)
        self._kept += len(one.data)
        while self._kept > KEPT_BYTES and len(self._recent) > 1:
            self._kept -= len(self._recent.popleft().data)
        self.extent = Extent(over=False, end=one.end, stored_id=None)


class TailHub:
    """Everything that is followed in this process. Its thread runs as long as there is anything."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._feeds: dict[tuple[int, int], Feed] = {}
        self._starts: dict[int, TailSignal] = {}
        self._thread: threading.Thread | None = None
        self._marked_at = 0.0
        self.readers = Readers()

    @contextmanager
    def follow(self, attempt_id: int, rank: int) -> Iterator[Feed]:
        """The feed of this log, shared by all who follow it."""
        key = (attempt_id, rank)
        feed = self._feeds.get(key) or _new_feed(attempt_id, rank)
        with self._shared(self._feeds, key, feed) as shared:
            yield shared

    @contextmanager
    def await_start(self, job_id: int) -> Iterator[TailSignal]:
        """There is news when the job has its first attempt, or is over without one."""
        with self._shared(self._starts, job_id, TailSignal()) as shared:
            yield shared

    def refresh(self) -> None:
        """Look once at everything that is followed, and wake those for whom there is news."""
        with self._lock:
            feeds, starts = dict(self._feeds), dict(self._starts)
        if feeds:
            self._refresh_feeds(feeds)
            self._mark(feeds)
        if starts:
            for job_id in _started(list(starts)):
                starts[job_id].notify()
        if feeds or starts:
            self.readers.refresh()

    @contextmanager
    def _shared(self, watches: dict[Any, Any], key: Any, fresh: Any) -> Iterator[Any]:
        with self._lock:
            watch = watches.setdefault(key, fresh)
            watch.followers += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log hub", daemon=True)
                self._thread.start()
        try:
            yield watch
        finally:
            with self._lock:
                watch.followers -= 1
                if not watch.followers:
                    watches.pop(key)

    def _run(self) -> None:
        while self._is_needed():
            pause = POLL_SECONDS
            try:
                self.refresh()
            except (DatabaseError, InterfaceError) as error:
                log.warning("The database did not answer those who follow logs: %s", str(error).strip())
                connection.close()
                pause = AFTER_FAILURE_SECONDS
            except Exception:
                log.exception("Those who follow logs were not told.")
                pause = AFTER_FAILURE_SECONDS
            time.sleep(pause)
        connection.close()

    def _is_needed(self) -> bool:
        with self._lock:
            if self._feeds or self._starts:
                return True
            self._thread = None
            return False

    def _refresh_feeds(self, feeds: dict[tuple[int, int], Feed]) -> None:
        found: dict[tuple[int, int], list[Any]] = {}
        state: dict[tuple[int, int], tuple[bool, int | None]] = {}
        with connection.cursor() as cursor:
            attempts, ranks = zip(*feeds, strict=True)
            cursor.execute(LOOK, [list(attempts), list(ranks), [feed.number for feed in feeds.values()], CHUNKS_A_LOOK])
            for attempt_id, rank, over, size, *chunk in cursor.fetchall():
                state[attempt_id, rank] = (over, size)
                found.setdefault((attempt_id, rank), []).extend([chunk] if chunk[0] is not None else [])
        for key, feed in feeds.items():
            over, size = state.get(key, (True, None))  # it was deleted: there is nothing to wait for
            feed.add(found.get(key, []), over=over, size=size)

    def _mark(self, feeds: dict[tuple[int, int], Feed]) -> None:
        """Tell the agents whose output somebody is waiting for."""
        now = time.monotonic()
        new = any(not feed.marked for feed in feeds.values())
        if not new and now < self._marked_at + MARK_SECONDS:
            return
        wanted = sorted({attempt_id for (attempt_id, _), feed in feeds.items() if not feed.extent.over})
        with connection.cursor() as cursor:
            cursor.execute(MARK, [3 * MARK_SECONDS, wanted])
        for feed in feeds.values():
            feed.marked = True
        self._marked_at = now


def _new_feed(attempt_id: int, rank: int) -> Feed:
    """What is there by now is for each follower to read."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_CHUNK, [attempt_id, rank])
        number, end = cursor.fetchone() or (-1, 0)
    return Feed(number, end)


def _started(job_ids: list[int]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(STARTED, [job_ids, sorted(TERMINAL_STATES)])
        return [job_id for (job_id,) in cursor.fetchall()]


hub = TailHub()
"""Of this process; its thread is started by the first who follows, so after a server has forked."""
