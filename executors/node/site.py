"""The site as the agents of placements ask it: over HTTP, with the token of a placement. No node needs a key of the storage."""

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.conf import settings

TIMEOUT = httpx.Timeout(30, connect=5)
NOWHERE = "this node does not know where to fetch it: TRAINYARD_CODE_URL is not set for its agent"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class FetchError(Exception):
    """The site did not do it; `final`: it will not by asking again either; `status`: of its answer, if there was one."""

    def __init__(self, words: str, *, final: bool = False, status: int = 0) -> None:
        super().__init__(words)
        self.final = final
        self.status = status


@contextlib.contextmanager
def connected(token: str) -> Iterator[httpx.Client]:
    """A client that shows the token."""
    headers = {"Authorization": f"Placement {token}", "Accept-Encoding": "identity"}
    headers["X-Forwarded-Proto"] = "https"  # as probes say it: inside a cluster no proxy stands before the site
    headers["Accept"] = "application/json, application/octet-stream"
    local = urlsplit(settings.CODE_URL).hostname in LOOPBACK
    verify = settings.CODE_URL.startswith("https:")
    with httpx.Client(timeout=TIMEOUT, trust_env=not local, verify=verify, headers=headers) as client:
        yield client


@contextlib.contextmanager
def answer(client: httpx.Client, method: str, path: str, **body: Any) -> Iterator[httpx.Response]:
    """What it says to this, still to be read. Raises FetchError."""
    try:
        with client.stream(method, f"{settings.CODE_URL}/api/v1/{path}", **body) as response:
            if not response.is_success:
                response.read()
                raise FetchError(
                    f"{settings.CODE_URL} answered {response.status_code}: {_said(response)}",
                    final=response.is_client_error and response.status_code != httpx.codes.TOO_MANY_REQUESTS,
                    status=response.status_code,
                )
            yield response
    except httpx.HTTPError as error:
        raise FetchError(f"{settings.CODE_URL}: {str(error) or type(error).__name__}") from error


def asked(client: httpx.Client, method: str, path: str, **body: Any) -> Any:
    """The same, as JSON."""
    with answer(client, method, path, **body) as response:
        try:
            data = response.read()
            return response.json() if data else None
        except ValueError as error:
            raise FetchError(f"{settings.CODE_URL} does not speak Trainyard") from error


def _said(response: httpx.Response) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        return str(response.json().get("detail", ""))[:300]
    return response.reason_phrase
