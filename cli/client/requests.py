"""Requests to the server."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, urlsplit

import httpx

from cli.client.connection import Connection
from cli.client.problems import raise_for
from cli.errors import OutOfReachError, UsageError

Row = dict[str, Any]

TIMEOUT = httpx.Timeout(30, connect=3)
QUICK_SECONDS = 1.0
TRIES = 3
LARGEST_PAGE = 200
AGAIN_SECONDS = 0.3
UNSENT = (httpx.ConnectError,)
REPEATABLE = ("GET", "PUT")
CUT_SHORT = (httpx.RemoteProtocolError, httpx.ReadError)
TOO_MANY_REQUESTS = 429
LONGEST_PAUSE_SECONDS = 5
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Server:
    """One server, as one user. Its methods raise `RefusedError` when it says no, `OutOfReachError` when it is silent."""

    def __init__(self, connection: Connection, *, timeout: httpx.Timeout = TIMEOUT, tries: int = TRIES) -> None:
        self.connection = connection
        self._tries = tries
        self.now = datetime.now(UTC)
        """The server's clock at its last answer, so that ours may be wrong."""
        try:
            self._http = httpx.Client(
                base_url=f"{connection.url}/api/v1/",
                headers=_headers(connection.token),
                timeout=timeout,
                # Without TLS there are no certificates to read (100 ms); no proxy leads to this machine.
                verify=connection.url.startswith("https:"),
                trust_env=urlsplit(connection.url).hostname not in LOOPBACK,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise UsageError(f"'{connection.url}' is not the address of a server: {error}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        return self._json(self._send("GET", path, params=_present(params)))

    def post(self, path: str, body: Any = None) -> Any:
        return self._json(self._send("POST", path, body={} if body is None else body))

    def patch(self, path: str, body: Any) -> Any:
        return self._json(self._send("PATCH", path, body=body))

    def put(self, path: str, content: bytes) -> Any:
        """Bytes as they are; what is put twice is there once, so it is sent again where nobody knows whether it came."""
        return self._json(self._send("PUT", path, content=content))

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def create(self, path: str, body: Any) -> tuple[Any, bool]:
        """The answer, and whether something new was made: not when the same was asked for before."""
        response = self._send("POST", path, body=body)
        return self._json(response), response.status_code == httpx.codes.CREATED

    def rows(self, path: str, *, limit: int | None = None, **params: Any) -> list[Row]:
        """The rows of a list over all its pages, or the first `limit` of them."""
        rows: list[Row] = []
        size = min(limit or LARGEST_PAGE, LARGEST_PAGE)
        for page in self._pages(path, {**params, "page_size": size}):
            rows += page
            if limit is not None and len(rows) >= limit:
                return rows[:limit]
        return rows

    @contextmanager
    def stream(self, path: str, media_type: str, **params: Any) -> Iterator[httpx.Response]:
        """An answer that is read while it comes, in this media type."""
        try:
            with self._http.stream("GET", path, params=_present(params), headers={"Accept": media_type}) as response:
                if not response.is_success:
                    response.read()
                raise_for(response)
                yield response
        except httpx.HTTPError as error:
            raise self._out_of_reach(error) from error

    @contextmanager
    def part(self, path: str, *, start: int, etag: str) -> Iterator[tuple[Iterator[bytes], int]]:
        """The bytes of a file from `start` on, and where they begin: at 0 where the server sends it whole."""
        wanted = {"Range": f"bytes={start}-", "If-Range": etag} if start else {}
        headers = {"Accept": "application/octet-stream", "Accept-Encoding": "identity", **wanted}
        try:
            with self._http.stream("GET", path, headers=headers) as response:
                if not response.is_success:
                    response.read()
                raise_for(response)
                yield response.iter_raw(), start if response.status_code == httpx.codes.PARTIAL_CONTENT else 0
        except httpx.HTTPError as error:
            raise self._out_of_reach(error) from error

    def _pages(self, path: str, params: Mapping[str, Any]) -> Iterator[list[Row]]:
        query: Mapping[str, Any] | None = params
        while query is not None:
            answer = self.get(path, **query)
            if isinstance(answer, list):
                yield answer
                return
            yield answer["results"]
            # Only its query: the host in it may be one that only the server can see.
            query = dict(parse_qsl(urlsplit(answer["next"]).query)) if answer.get("next") else None

    def _send(
        self, method: str, path: str, *, params: Any = None, body: Any = None, content: str | bytes | None = None
    ) -> httpx.Response:
        """Send, and again where nothing can happen twice: not reached, only read or put, or turned away as too often."""
        # In ASCII: whatever was typed gets through, and what is no text is for the server to refuse.
        content = content if body is None else json.dumps(body)
        headers = {"Content-Type": "application/octet-stream"} if isinstance(content, bytes) else None
        harmless = (*UNSENT, *CUT_SHORT) if method in REPEATABLE else UNSENT
        for left in reversed(range(self._tries)):
            try:
                response = self._http.request(method, path, params=params, content=content, headers=headers)
            except httpx.HTTPError as error:
                if not left or not isinstance(error, harmless):
                    raise self._out_of_reach(error) from error
                time.sleep(AGAIN_SECONDS)
                continue
            pause = _pause(response)
            if pause is None or not left:
                break
            time.sleep(pause)
        raise_for(response)
        return response

    def _json(self, response: httpx.Response) -> Any:
        self.now = _clock(response)
        try:
            return response.json() if response.content else None
        except ValueError as error:
            raise OutOfReachError(f"{self.connection.url} does not speak Trainyard: is the address right?") from error

    def _out_of_reach(self, error: httpx.HTTPError) -> OutOfReachError:
        where = f"{self.connection.url} (from {self.connection.source})"
        hint = "Start it with `make up`." if self.connection.is_local_stack else "Is the server running?"
        return OutOfReachError(f"no answer from {where}: {str(error) or type(error).__name__}. {hint}")


def quick_server(connection: Connection) -> Server:
    """For somebody who waits at a prompt: it answers at once, or not at all."""
    return Server(connection, timeout=httpx.Timeout(QUICK_SECONDS), tries=1)


def path_word(text: str) -> str:
    """The text as one word of a path, whatever it holds."""
    return quote(text, safe="")


def _headers(token: str) -> dict[str, str]:
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    accepted = {"Accept": "application/json", "Content-Type": "application/json"}
    return {"User-Agent": "trainyard-cli", **accepted, **authorization}


def _clock(response: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return datetime.now(UTC)


def _present(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _pause(response: httpx.Response) -> float | None:
    """How long the server wants us to wait before we ask again, if it is short enough to do so."""
    after = response.headers.get("Retry-After", "1")
    if response.status_code != TOO_MANY_REQUESTS or not after.isdecimal() or int(after) > LONGEST_PAUSE_SECONDS:
        return None
    return float(after)
