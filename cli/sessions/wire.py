"""The caller's half of a session: a WebSocket to the site, and frames on it. Every method may be called from any thread."""

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from cli.client.problems import raise_for
from cli.client.requests import Row, Server
from cli.errors import CommandError, OutOfReachError
from streams.frames import Decoder, Frame, Kind, encode
from trainyard.http.requests import LOOPBACK

ALIVE_SECONDS = 10.0
SILENT_SECONDS = 30.0
"""Both ends give a sign of life every ten: whoever says nothing for so long is gone."""
CLOSE_SECONDS = 1.0
BROKEN = "the connection to the job broke off"


class SessionBrokenError(CommandError):
    """The session had begun, and did not end by itself. As with ssh, no command's own exit code is likely to be that."""

    exit_code = 255
    kind = "broken"


class Wire:
    """Frames to the agent and from it."""

    def __init__(self, socket: ClientConnection, opened: Row) -> None:
        self._socket = socket
        self.opened = opened
        self._words: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        threading.Thread(target=self._say, daemon=True).start()

    def send(self, kind: Kind, stream: int = 0, content: bytes = b"") -> None:
        """Returns when it is on its way; when nobody is there any more too, which `frames` tells."""
        self.send_frame(Frame(kind, stream, content))

    def send_frame(self, frame: Frame) -> None:
        with contextlib.suppress(OSError, WebSocketException):
            self._socket.send(encode(frame))

    def say(self, frame: Frame) -> None:
        """Send it in a moment, from another thread: safe in a signal handler."""
        self._words.put(frame)

    def frames(self) -> Iterator[Frame]:
        """What the agent says, until the end. Raises SessionBrokenError."""
        decoder = Decoder()
        try:
            while True:
                piece = self._socket.recv(timeout=SILENT_SECONDS)
                if isinstance(piece, bytes):
                    yield from decoder.feed(piece)
        except ConnectionClosed as closed:
            reason = closed.rcvd.reason if closed.rcvd is not None else ""
            raise SessionBrokenError(reason or f"{BROKEN}.") from closed
        except TimeoutError:
            raise SessionBrokenError(f"{BROKEN}: nothing was heard for {SILENT_SECONDS:g} s.") from None
        except (OSError, ValueError, WebSocketException) as error:
            raise SessionBrokenError(f"{BROKEN}: {error}.") from error

    def close(self) -> None:
        """Says farewell, and waits no longer for the other side than for that: who presses Ctrl-C is to be free."""
        self._words.put(None)
        farewell = threading.Thread(target=self._close_socket, daemon=True)
        farewell.start()
        farewell.join(2 * CLOSE_SECONDS)

    def _close_socket(self) -> None:
        with contextlib.suppress(OSError, WebSocketException):
            self._socket.close()

    def _say(self) -> None:
        while True:
            try:
                frame = self._words.get(timeout=ALIVE_SECONDS)
            except queue.Empty:
                frame = Frame(Kind.ALIVE)
            if frame is None:
                return
            self.send_frame(frame)


def open_wire(server: Server, job_id: int, body: Row) -> Wire:
    """Ask for a session beside the job, and come in. Raises RefusedError, or OutOfReachError."""
    opened: Row = server.post(f"jobs/{job_id}/sessions", body)
    url = server.connection.url
    secure = url.startswith("https:")
    more: dict[str, Any] = {"ssl": httpx.create_ssl_context()} if secure else {}
    more |= {"proxy": None} if urlsplit(url).hostname in LOOPBACK else {}
    address = f"{'wss' if secure else 'ws'}://{url.partition('://')[2]}/api/v1/sessions/{opened['id']}/caller"
    try:
        socket = connect(
            address,
            additional_headers={"Authorization": f"Session {opened['token']}"},
            user_agent_header="trainyard-cli",
            compression=None,
            ping_interval=None,  # both ends have a sign of life of their own, which passes every relay
            close_timeout=CLOSE_SECONDS,
            legacy=True,
            **more,
        )
    except InvalidStatus as refused:
        raise_for(_as_httpx(refused, url))
        raise OutOfReachError(f"{url} does not open a WebSocket: {refused}.") from refused
    except (OSError, TimeoutError, WebSocketException) as error:
        raise OutOfReachError(
            f"{url} does not open a WebSocket: {error}. A proxy in between has to pass Upgrade and Connection on."
        ) from error
    assert isinstance(socket, ClientConnection)  # noqa: S101  the library says it of `legacy`
    return Wire(socket, opened)


def _as_httpx(refused: InvalidStatus, url: str) -> httpx.Response:
    answer = refused.response
    return httpx.Response(answer.status_code, content=bytes(answer.body or b""), request=httpx.Request("GET", url))
