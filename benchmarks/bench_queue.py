"""The queue that the benchmarks put their jobs into: paused and opened by REST, followed and emptied by its rows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from benchmarks.client import Client
from benchmarks.stack import Stack, wait_until

NAME = "benchmarks"
LEFT = "SELECT count(*) FROM jobs_job WHERE queue_id = %s AND state NOT IN ('completed', 'failed', 'cancelled')"
REFERENCES = """
    SELECT key.conrelid::regclass::text, referring.attname, referred.attname, referring.attnotnull
    FROM pg_constraint key
    JOIN pg_attribute referring ON referring.attrelid = key.conrelid AND referring.attnum = key.conkey[1]
    JOIN pg_attribute referred ON referred.attrelid = key.confrelid AND referred.attnum = key.confkey[1]
    WHERE key.contype = 'f' AND key.confrelid = %s::regclass AND key.conrelid <> key.confrelid"""
TABLES = ("jobs_job", "jobs_jobevent", "jobs_attempt", "jobs_placement", "jobs_logchunk")


class BenchQueue:
    """A queue of our own on the platform under test."""

    def __init__(self, stack: Stack, database: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self._stack = stack
        self._database = database
        if self.value("SELECT count(*) FROM jobs_queue WHERE name = %s", NAME) == 0:
            with Client(stack) as client:
                client.post("/api/v1/queues", {"name": NAME})
        self._id = self.value("SELECT id FROM jobs_queue WHERE name = %s", NAME)

    def value(self, query: LiteralString, *parameters: Any) -> Any:
        row = self._database.execute(query, parameters).fetchone()
        return row[0] if row else None

    def rows(self, query: LiteralString, *parameters: Any) -> list[tuple[Any, ...]]:
        return self._database.execute(query, parameters).fetchall()

    def pause(self) -> None:
        self._set_state("paused")

    def open(self) -> float:
        """Let its jobs start at once; returns the moment before the request."""
        asked_at = time.time()
        self._set_state("open")
        return asked_at

    def wait_until_over(self, seconds: float) -> None:
        """Return when every job of the line has ended."""
        wait_until(lambda: self.value(LEFT, self._id) == 0, seconds, "the jobs to end", pause=0.2)

    def ends(self) -> list[tuple[str, float]]:
        """Of each job: its state, and when it ended."""
        rows = self.rows("SELECT state, extract(epoch FROM finished_at) FROM jobs_job WHERE queue_id = %s", self._id)
        return [(state, float(moment)) for state, moment in rows]

    def empty(self) -> None:
        """Remove its jobs, none of which may run, so that the next measurement finds the tables as this one did."""
        with self._database.transaction():
            self._remove("jobs_job", sql.SQL("queue_id = {}").format(self._id))
        self._database.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")
        self._wait_for_cycle()

    def _remove(self, table: str, those: sql.Composed) -> None:
        """Those rows and all that cannot be without them; who merely knows of them forgets them."""
        for child, *columns, needed in self.rows(REFERENCES, table):
            column, referred = (sql.Identifier(name) for name in columns)
            found = sql.SQL("{} IN (SELECT {} FROM {} WHERE {})").format(column, referred, sql.Identifier(table), those)
            if needed:
                self._remove(child, found)
            else:
                forget = sql.SQL("UPDATE {} SET {} = NULL WHERE {}")
                self._database.execute(forget.format(sql.Identifier(child), column, found))
        self._database.execute(sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table), those))

    def _wait_for_cycle(self) -> None:
        """The planner has seen that they are gone: what it was still busy with is over."""
        count = "SELECT count FROM jobs_cycle"
        before = self.value(count)
        with Client(self._stack) as client:
            client.post("/api/v1/jobs/scheduler/trigger", {})
        wait_until(lambda: bool(self.value(count) > before), 30, "a scheduling cycle")

    def _set_state(self, state: str) -> None:
        with Client(self._stack) as client:
            client.patch(f"/api/v1/queues/{NAME}", {"state": state})


@contextmanager
def bench_queue(stack: Stack) -> Iterator[BenchQueue]:
    """The benchmarks' queue, open and empty; emptied afterwards."""
    with stack.database() as database:
        line = BenchQueue(stack, database)
        line.empty()
        line.open()
        try:
            yield line
        finally:
            line.empty()
