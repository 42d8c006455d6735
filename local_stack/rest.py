"""A user of the REST interface on this machine: patient, since what answers is restarted, or killed, now and then."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_stack.servers.ports import LOOPBACK

PAUSE_SECONDS = 0.3
PATIENCE_SECONDS = 120.0
SERVER_ERROR = 500
THROTTLED = 429


class NoAnswerError(Exception):
    """There was no answer, or only errors of the server, for as long as patience lasts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform said."""

    status: int
    body: Any

    @property
    def is_success(self) -> bool:
        return http.client.OK <= self.status < http.client.MULTIPLE_CHOICES


class Rest:
    """Asks again until there is an answer that is not the server's own error. Safe to share between threads."""

    def __init__(self, port: int, token: str, patience: float = PATIENCE_SECONDS) -> None:
        self._port = port
        self._patience = patience
        self._headers = headers(token)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Answer:
        return self._patiently("POST", path, body or {})

    def get(self, path: str) -> Answer:
        return self._patiently("GET", path, None)

    def _patiently(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        give_up_at = time.monotonic() + self._patience
        problem = ""
        while time.monotonic() < give_up_at:
            try:
                answer = self._once(method, path, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                problem = repr(error)
            else:
                if answer.status < SERVER_ERROR and answer.status != THROTTLED:
                    return answer
                problem = f"{answer.status} {str(answer.body)[:300]}"
            time.sleep(PAUSE_SECONDS)
        raise NoAnswerError(f"{method} {path}: {problem}")

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> Answer:
        """One question on a connection of its own; an answer that was cut short raises."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=10)
        try:
            return exchange(connection, method, f"/api/v1{path}", body, self._headers)
        finally:
            connection.close()


def headers(token: str) -> dict[str, str]:
    """Who asks, and in what it is written."""
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    headers: Mapping[str, str],
) -> Answer:
    """One question and its answer; what is not JSON stays bytes."""
    text = None if body is None else json.dumps(body)
    connection.request(method, path, text, headers)
    answer = connection.getresponse()
    raw = answer.read()
    as_json = "json" in (answer.getheader("Content-Type") or "")
    return Answer(answer.status, json.loads(raw) if as_json else raw)
