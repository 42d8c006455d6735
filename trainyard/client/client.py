"""The platform, as one user."""

import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from trainyard.calls.packing import PROGRAM, Packed, pack
from trainyard.client.jobs import Job, Jobs
from trainyard.client.options import JobOptions, command_of, request_of
from trainyard.client.tables import Facts
from trainyard.client.workloads import Workload
from trainyard.code.sync import sync
from trainyard.errors import NotFoundError, TrainyardError, UsageError
from trainyard.http.connection import find_connection
from trainyard.http.requests import Row, Server
from trainyard.job_names import NAME_LENGTH, name_of

DEFAULT_PROJECT = "default"
MOST_CALLS = 10_000
"""As many jobs as the server takes in one request."""
ANY_COMMAND = ("true",)
Code = str | os.PathLike[str]


class Quote(Facts):
    """When a job would start, where, and what it would cost, as POST /jobs/quote says it."""

    title = "quote"


class Client:
    """One server, as one user. May be shared by threads; `with Client() as client:` closes its connections at the end.

    Without arguments it speaks to whom `trainyard` does: TRAINYARD_URL and TRAINYARD_TOKEN, a login, the local stack. Jobs go
    to `project`, else to that in TRAINYARD_PROJECT, else to `default`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        project: str | None = None,
        *,
        profile: str | None = None,
    ) -> None:
        found = find_connection(url, None, environ=os.environ, folder=Path.cwd(), profile=profile, token=token)
        self._server = Server(found, agent="trainyard-python")
        self.project = project or os.environ.get("TRAINYARD_PROJECT") or DEFAULT_PROJECT

    def submit(self, command: str | Sequence[str], *, code: Code | None = None, **options: Unpack[JobOptions]) -> Job:
        """Submit a job; with `code`, in a private copy of that folder, which is uploaded as far as the server lacks it.

        Raises `RefusedError` with the `field` that the server refuses, `UsageError` for an option that nobody understands.
        """
        words = command_of(command)
        request = {"name": name_of(words)} | request_of(options)
        if code is not None:
            top = Path(code).expanduser().resolve()
            start = request.get("working_dir", _start(top))
            request |= {"snapshot": self._snapshot(top)["id"], "working_dir": start}
        return self._create({"working_dir": str(Path.cwd()), **request, "command": words})

    def submit_function(
        self, function: Callable[..., Any], /, *args: Any, code: Code | None = None, python: str = "python",
        arguments: Mapping[str, Any] | None = None, **options: Unpack[JobOptions],
    ) -> Job:  # fmt: skip
        """Submit a job that calls `function(*args, **arguments)`; `job.result()` is what it returns.

        The folder from which its module is imported comes along, or `code`, in which that lies. `python` is the interpreter of
        the nodes. Raises `UsageError` for arguments that cannot be pickled, by name.
        """
        packed = pack(function, [(args, arguments or {})], code=None if code is None else Path(code))
        return self._create(self._call(packed, python, options))

    def map(
        self, function: Callable[..., Any], /, *items: Iterable[Any], code: Code | None = None, python: str = "python",
        max_running: int | None = None, stop_on_failure: bool = False, **options: Unpack[JobOptions],
    ) -> Workload:  # fmt: skip
        """Submit a job for each item, all of them or none, as one workload; `.results()` are in the order of the items.

        Of several iterables each job gets one item each, as of the builtin map. With the same `key` the same jobs come again.
        """
        calls: list[tuple[Sequence[Any], Mapping[str, Any]]] = [
            (arguments, {}) for arguments in zip(*items, strict=False)
        ]
        if not 0 < len(calls) <= MOST_CALLS:
            raise UsageError(f"items: {len(calls):,} of them; from 1 to {MOST_CALLS:,} are taken at once.")
        packed = pack(function, calls, code=None if code is None else Path(code))
        body = self._batch(self._call(packed, python, options), len(calls))
        terms = {"max_running": max_running, "stop_on_failure": stop_on_failure or None}
        body["workload"] |= {name: value for name, value in terms.items() if value is not None}
        answer, _ = self._server.create("jobs/batch", body, once=True)
        name = self.job(answer["jobs"][0]["id"]).row["workload"]
        return self._workload(name, ours=True)

    def job(self, job_id: int) -> Job:
        """Raises `NotFoundError`."""
        return Job(self._server, self._server.get(f"jobs/{int(job_id)}"))

    def jobs(self, *, limit: int | None = 100, **filters: Any) -> Jobs:
        """The newest jobs, of those that match: project, queue, state, owner, name, node, label, workload, as GET /jobs has them."""
        return Jobs(Job(self._server, row) for row in self._server.rows("jobs", limit=limit, **filters))

    def workload(self, workload: int | str) -> Workload:
        """By its number, or by its name in the client's project. Raises `NotFoundError`."""
        if isinstance(workload, int):
            return Workload(self._server, self._server.get(f"workloads/{workload}"))
        return self._workload(workload)

    def quote(self, command: str | Sequence[str] = ANY_COMMAND, **options: Unpack[JobOptions]) -> Quote:
        """When such a job would start and what it would cost; submits nothing."""
        request = {"project": self.project, "command": command_of(command), **request_of(options)}
        return Quote(self._server.post("jobs/quote", request))

    def whoami(self) -> Facts:
        return Facts(self._server.get("whoami"))

    def close(self) -> None:
        self._server.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self._server.connection.url}, project {self.project}>"

    def _create(self, request: Row) -> Job:
        """With a key of its own, so that it may be sent again where nobody knows whether it came."""
        body = {"project": self.project, "submission_key": uuid.uuid4().hex, **request}
        row, _ = self._server.create("jobs", body, once=True)
        return Job(self._server, row, ours=True)

    def _call(self, packed: Packed, python: str, options: JobOptions) -> Row:
        request = request_of(options)
        start = request.get("working_dir", _start(packed.folder))
        snapshot = self._snapshot(packed.folder, packed.files)
        program = os.path.relpath(PROGRAM, start or ".")
        told = {"working_dir": start, "snapshot": snapshot["id"], "command": [python, program]}
        return {"name": packed.name[:NAME_LENGTH], **request, **told}

    def _batch(self, request: Row, count: int) -> Row:
        """The body of POST /jobs/batch: a job for each number."""
        key = request.pop("submission_key", "")
        name, workload = request.pop("name"), request.pop("workload", "")
        command = request.pop("command")
        jobs = [
            {
                "name": f"{name[: NAME_LENGTH - 6]} {index}",
                "command": command,
                "env": {"TRAINYARD_ARRAY_INDEX": str(index), "TRAINYARD_ARRAY_COUNT": str(count)},
                "submission_key": f"{key or uuid.uuid4().hex}-{index}",
            }
            for index in range(count)
        ]
        default = f"{_as_workload(name)}-{key or f'{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}'}"
        defaults = {"project": self.project, **request}
        return {"defaults": defaults, "jobs": jobs, "workload": {"name": workload or default[:63]}}

    def _snapshot(self, folder: Path | None, beside: Mapping[str, bytes] | None = None) -> Row:
        try:
            return sync(self._server, folder, project=self.project, environ=os.environ, beside=beside or {})
        except TrainyardError as error:
            error.lines = tuple(line.replace("--sync:", "code:") for line in error.lines)
            error.args = ("\n".join(error.lines),)
            raise

    def _workload(self, name: str, *, ours: bool = False) -> Workload:
        found = self._server.rows("workloads", name=name, project=self.project)
        if not found:
            raise NotFoundError(f"There is no workload {name} in project {self.project}.")
        return Workload(self._server, found[0], ours=ours)


def _start(folder: Path | None) -> str:
    """Where in the copy a command starts: the same place as here, if that is in the folder."""
    here = Path.cwd().resolve()
    if folder is None or not here.is_relative_to(folder):
        return ""
    return here.relative_to(folder).as_posix().removeprefix(".")


def _as_workload(name: str) -> str:
    """What of the name can begin the name of a workload."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("0123456789._-")[:40] or "map"
