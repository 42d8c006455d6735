"""A job that is there, and a list of some."""

import time
from collections.abc import Iterator
from typing import Any, Literal, Self, overload

from trainyard.client import logs, results, tables, waiting
from trainyard.client.metrics import Metrics
from trainyard.client.outputs import Outputs, outputs_of
from trainyard.client.tables import Facts
from trainyard.client.waiting import Standing
from trainyard.errors import ResultError
from trainyard.http.patience import Patience
from trainyard.http.requests import Row, Server
from trainyard.job_words import describe, is_over, spell_reason, spell_state


class Explanation(Facts):
    """Why a job waits and until when, and what would start it now, as GET /jobs/{id}/explain says it."""

    def __str__(self) -> str:
        return "\n".join(str(reason["sentence"]) for reason in self.get("reasons") or ())


class Job:
    """A job of the platform. What it says of itself is as of the last answer: `refresh()` asks anew, `wait()` does all the time."""

    def __init__(self, server: Server, row: Row, *, ours: bool = False) -> None:
        self._server = server
        self._ours = ours
        self.row = row
        """All that the server says of it, as GET /jobs/{id} has it."""

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def state(self) -> str:
        """pending, queued, assigned, running, paused, completed, failed or cancelled."""
        return str(self.row["state"])

    @property
    def is_over(self) -> bool:
        return is_over(self.row)

    @property
    def reason(self) -> str:
        """Why it waits, or why it ended, in a sentence."""
        return spell_reason(self.row)

    def refresh(self) -> Self:
        """Ask the server how it stands now."""
        self.row = self._ask()
        return self

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> Self:
        """Stay until it is over, however it ends. Raises `WaitTimeoutError`, a TimeoutError, after so many seconds.

        At a terminal and in a notebook it shows how far the job is; `progress` True writes lines elsewhere, too, and False
        shows nothing.
        """
        self.row = waiting.wait(self._ask, is_over, _standing, timeout=timeout, progress=progress)
        return self

    def raise_for_failure(self) -> Self:
        """Raises `UnsuccessfulError` if it is over and did not complete: how it ended, and the last lines that it wrote."""
        if self.is_over and self.state != "completed":
            raise results.failure_of(self._server, self.row)
        return self

    def result(self, timeout: float | None = None, *, trusted: bool = False) -> Any:
        """What the function returned, once it has. Of submit_function and map.

        Raises `FunctionError` with the traceback of what it raised, `UnsuccessfulError` for another end, `ResultError` where
        there is no result. A result is a pickle, which can do whatever its writer wants: one of another user's job is read
        if it is `trusted` alone.
        """
        began = time.monotonic()
        self.wait(timeout)
        if not (self._ours or trusted):
            self._refuse_others()
        left = None if timeout is None else max(timeout - (time.monotonic() - began), 0)
        return results.result_of(self._server, self.row, timeout=left)

    @overload
    def logs(self, follow: Literal[False] = ..., *, attempt: int | None = ..., rank: int | None = ..., tail: int | None = ...) -> str: ...  # fmt: skip

    @overload
    def logs(self, follow: Literal[True], *, rank: int | None = ...) -> Iterator[str]: ...

    def logs(
        self, follow: bool = False, *, attempt: int | None = None, rank: int | None = None, tail: int | None = None
    ) -> str | Iterator[str]:
        """What its last attempt has written, or that one; or with `follow` its lines as they come, until the job is over."""
        if follow:
            return logs.followed(self._server, self._patient, rank)
        return logs.written(self._server, self.refresh().row, attempt=attempt, rank=rank, tail=tail)

    def metrics(self, *names: str, attempt: int | None = None, points: int | None = None) -> Metrics:
        """What it has reported over time: all metrics, or these."""
        asked = {"name": list(names) or None, "attempt": attempt, "points": points}
        return Metrics(self._server.get(f"jobs/{self.id}/metrics", **asked))

    def outputs(self, *, attempt: int | None = None, kind: str = "output") -> Outputs:
        """What it left in TRAINYARD_OUTPUT_DIR; of `kind` "checkpoint", its checkpoints."""
        return outputs_of(self._server, self.id, attempt=attempt, kind=kind)

    def explain(self) -> Explanation:
        """Why it waits, and what would start it now."""
        told = Explanation(self._server.get(f"jobs/{self.id}/explain"))
        told.title = f"job {self.id} {self.name}"
        return told

    def cancel(self, reason: str = "") -> Self:
        """Stop it for good; one that runs may write a checkpoint first."""
        return self._asked("cancel", {"reason": reason} if reason else None)

    def pause(self, *, suspend: bool = False, reason: str = "") -> Self:
        """Take it off its node until it is resumed; with `suspend` it stands still there, and keeps what it holds."""
        return self._asked("pause", {"suspend": suspend} | ({"reason": reason} if reason else {}))

    def resume(self) -> Self:
        """Let it wait in line again, or go on."""
        return self._asked("resume")

    def requeue(self, reason: str = "") -> Self:
        """Run it again."""
        return self._asked("requeue", {"reason": reason} if reason else None)

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.name!r} {spell_state(self.row)}>"

    def _repr_html_(self) -> str:
        resources = {name: value for name, value in self.row["resources"].items() if value}
        shown = ("project", "queue", "owner", "node", "progress", "metrics")
        known = {name: self.row.get(name) for name in shown}
        known = {"state": spell_state(self.row), "why": self.reason, **known, "resources": resources}
        return tables.facts(f"job {self.id} {self.name}", known)

    def _ask(self) -> Row:
        row: Row = self._server.get(f"jobs/{self.id}")
        return row

    def _patient(self) -> Row:
        self.row = Patience().ask(self._ask)
        return self.row

    def _asked(self, verb: str, body: Row | None = None) -> Self:
        self.row = self._server.post(f"jobs/{self.id}/{verb}", body)
        return self

    def _refuse_others(self) -> None:
        me = self._server.get("whoami")["user"]
        if self.row["owner"] != me:
            raise ResultError(
                f"job {self.id} is of {self.row['owner']}, and what that user pickled would run here: "
                "job.result(trusted=True) if you trust it."
            )


class Jobs(list[Job]):
    """A list of jobs; in a notebook a table."""

    def _repr_html_(self) -> str:
        return tables.jobs([job.row for job in self])


def _standing(job: Row) -> Standing:
    return Standing(f"job {job['id']} {describe(job)}", job.get("progress"))
