"""The queue that the benchmarks put their jobs into: paused and opened, followed, and emptied, by its rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from celery import Celery

from benchmarks.stack import Stack, wait_until

NAME = "benchmarks"
LEFT = "SELECT count(*) FROM jobs_job WHERE queue_id = %s AND state NOT IN ('completed', 'failed', 'cancelled')"
# In the order of their references to each other.
EMPTYING = (
    """DELETE FROM jobs_logchunk USING jobs_attempt, jobs_job WHERE jobs_logchunk.attempt_id = jobs_attempt.id
       AND jobs_attempt.job_id = jobs_job.id AND jobs_job.queue_id = %s""",
    """DELETE FROM jobs_placement USING jobs_attempt, jobs_job WHERE jobs_placement.attempt_id = jobs_attempt.id
       AND jobs_attempt.job_id = jobs_job.id AND jobs_job.queue_id = %s""",
    "DELETE FROM jobs_attempt USING jobs_job WHERE jobs_attempt.job_id = jobs_job.id AND jobs_job.queue_id = %s",
    "DELETE FROM jobs_jobevent USING jobs_job WHERE jobs_jobevent.job_id = jobs_job.id AND jobs_job.queue_id = %s",
    "DELETE FROM jobs_job WHERE queue_id = %s",
)
TABLES = ("jobs_job", "jobs_jobevent", "jobs_attempt", "jobs_placement", "jobs_logchunk")


class Line:
    """A queue of our own in the stack's database."""

    def __init__(self, database: "psycopg.Connection[tuple[Any, ...]]", broker_url: str) -> None:
        self._database = database
        self._bell = Celery("bell", broker=broker_url)
        database.execute(
            "INSERT INTO jobs_queue (name, rank, policy, state, description) VALUES (%s, 0, '', 'open', '')"
            " ON CONFLICT (name) DO NOTHING",
            [NAME],
        )
        self._id = self.value("SELECT id FROM jobs_queue WHERE name = %s", NAME)

    def value(self, query: str, *parameters: Any) -> Any:
        row = self._database.execute(query, parameters).fetchone()
        return row[0] if row else None

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self._database.execute(query, parameters).fetchall()

    def pause(self) -> None:
        self._database.execute("UPDATE jobs_queue SET state = 'paused' WHERE id = %s", [self._id])

    def open(self) -> float:
        """Let its jobs start at once; returns when that was, by the database's clock."""
        query = "UPDATE jobs_queue SET state = 'open' WHERE id = %s RETURNING extract(epoch FROM clock_timestamp())"
        opened_at = float(self.value(query, self._id))
        self._ring()
        return opened_at

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
            for statement in EMPTYING:
                self._database.execute(statement, [self._id])
        self._database.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")
        self._wait_for_cycle()

    def _wait_for_cycle(self) -> None:
        """The planner has seen that they are gone: what it was still busy with is over."""
        count = "SELECT count FROM jobs_cycle"
        before = self.value(count)
        self._ring()
        wait_until(lambda: bool(self.value(count) > before), 30, "a scheduling cycle")

    def _ring(self) -> None:
        self._bell.send_task("trainyard.run_cycle", queue="control", priority=0)


@contextmanager
def line_of(stack: Stack) -> Iterator[Line]:
    """The benchmarks' queue, open and empty; emptied afterwards."""
    with stack.database() as database:
        line = Line(database, stack.environment["BROKER_URL"])
        line.empty()
        line.open()
        try:
            yield line
        finally:
            line.empty()
