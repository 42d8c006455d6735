"""A user of the REST interface with one connection, by the standard library's client: it adds the least."""

import http.client
from types import TracebackType
from typing import Any, Self

from benchmarks.stack import Stack
from local_stack.rest import exchange, headers

PROJECT = "default"


class RefusedError(Exception):
    """The platform's answer was not what the benchmark needs."""


class Client:
    """Closed by the site after two seconds without a request: open one when it is used. Not safe to share between threads."""

    def __init__(self, stack: Stack) -> None:
        host, port = stack.web
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        self._headers = headers(stack.credentials["token"])

    def __enter__(self) -> Self:
        self._connection.connect()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def submit(self, command: list[str], *, queue: str) -> int:
        """The id of a new job."""
        body = {"name": command[0], "project": PROJECT, "queue": queue, "command": command}
        return int(self.post("/api/v1/jobs", body)["id"])

    def submit_batch(self, command: list[str], count: int, *, queue: str) -> list[int]:
        """The ids of `count` new jobs that one request brought."""
        shared = {"project": PROJECT, "queue": queue, "command": command}
        body = {"jobs": [{"name": f"{command[0]}-{number}", **shared} for number in range(count)]}
        return [int(job["id"]) for job in self.post("/api/v1/jobs/batch", body)["jobs"]]

    def get(self, path: str) -> Any:
        return self._ask("GET", path, {})

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("POST", path, body)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PATCH", path, body)

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        answer = exchange(self._connection, method, path, body, self._headers)
        if not answer.is_success:
            raise RefusedError(f"{method} {path} answered {answer.status}: {str(answer.body)[:500]}")
        return answer.body
