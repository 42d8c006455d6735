"""A workload: a named set of jobs, and what is asked of all of them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from trainyard.client import tables, waiting
from trainyard.client.jobs import Job, Jobs
from trainyard.client.waiting import Standing
from trainyard.errors import TrainyardError
from trainyard.http.requests import Row, Server

ENDED = frozenset({"completed", "failed", "cancelled", "empty"})
"""States in which nothing more happens of itself."""
AT_ONCE = 8
"""So many results are fetched at a time."""


class Workload:
    """A set of jobs. What it says of itself is as of the last answer."""

    def __init__(self, server: Server, row: Row, *, ours: bool = False) -> None:
        self._server = server
        self._ours = ours
        self.row = row
        """All that the server says of it, as GET /workloads/{id} has it."""

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def state(self) -> str:
        return str(self.row["state"])

    @property
    def jobs(self) -> Jobs:
        """Its jobs in the order in which they were submitted, as they stand now."""
        rows = self._server.rows("jobs", workload=str(self.id))
        return Jobs(Job(self._server, row, ours=self._ours) for row in sorted(rows, key=lambda row: int(row["id"])))

    def refresh(self) -> Self:
        self.row = self._ask()
        return self

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> Self:
        """Stay until all of its jobs are over, as `Job.wait` does."""
        over = lambda row: row["state"] in ENDED  # noqa: E731
        self.row = waiting.wait(self._ask, over, _standing, timeout=timeout, progress=progress)
        return self

    def results(
        self, timeout: float | None = None, *, return_exceptions: bool = False, trusted: bool = False
    ) -> list[Any]:
        """What the function returned for each item, in the order of the items, once all jobs are over.

        Raises what `Job.result` does for the first job that has none; with `return_exceptions` that stands in its place.
        """
        self.wait(timeout)

        def one(job: Job) -> Any:
            try:
                return job.result(timeout, trusted=trusted)
            except TrainyardError as error:
                if not return_exceptions:
                    raise
                return error

        with ThreadPoolExecutor(AT_ONCE) as fetching:
            return list(fetching.map(one, self.jobs))

    def cancel(self) -> Self:
        return self._asked("cancel")

    def pause(self) -> Self:
        return self._asked("pause")

    def resume(self) -> Self:
        return self._asked("resume")

    def retry_failed(self) -> Self:
        """Run those again that failed."""
        self._server.post(f"workloads/{self.id}/retry-failed")
        return self.refresh()

    def __repr__(self) -> str:
        return f"<Workload {self.name!r} {self.state}: {self.row['done']} of {self.row['jobs']} jobs over>"

    def _repr_html_(self) -> str:
        shown = ("state", "project", "owner", "jobs", "done", "counts", "progress", "cost")
        return tables.facts(f"workload {self.name}", {name: self.row.get(name) for name in shown})

    def _ask(self) -> Row:
        row: Row = self._server.get(f"workloads/{self.id}")
        return row

    def _asked(self, verb: str) -> Self:
        self._server.post(f"workloads/{self.id}/{verb}")
        return self.refresh()


def _standing(row: Row) -> Standing:
    return Standing(
        f"workload {row['name']} {row['state']}: {row['done']} of {row['jobs']} jobs over", row.get("progress")
    )
