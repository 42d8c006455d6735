"""The agent's half of a session: a WebSocket out to the site, and frames on it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from streams.frames import Decoder, Frame, Kind, encode

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ALIVE_SECONDS = 10.0
SILENT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
LONGEST_MESSAGE = 1024 * 1024
QUEUED_MESSAGES = 4
GONE = (OSError, TimeoutError, WebSocketException)
"""What is raised where the caller, the site or the way to them is not there any more."""


class Wire:
    """Frames to the caller and from him."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, kind: Kind, stream: int = 0, content: bytes = b"") -> None:
        """Returns when it is on its way. Raises what is in GONE."""
        await self.send_frame(Frame(kind, stream, content))

    async def send_frame(self, frame: Frame) -> None:
        await self._socket.send(encode(frame))

    async def frames(self) -> AsyncIterator[Frame]:
        """What the caller says, until he is gone: then it ends, or raises what is in GONE."""
        decoder = Decoder()
        while True:
            piece = await asyncio.wait_for(self._socket.recv(), SILENT_SECONDS)
            if isinstance(piece, bytes):
                for frame in decoder.feed(piece):
                    yield frame

    async def keep_alive(self) -> None:
        """Says that we are here, so that nobody in between forgets us."""
        while True:
            await asyncio.sleep(ALIVE_SECONDS)
            await self.send(Kind.ALIVE)

    async def close(self) -> None:
        with contextlib.suppress(*GONE):
            await self._socket.close()


async def open_wire(site: str, session_id: object, token: str) -> Wire:
    """To this session's other half, as the agent that runs the placement. Raises what is in GONE, with words in it."""
    address = f"{'wss' if site.startswith('https:') else 'ws'}://{site.partition('://')[2]}"
    more: dict[str, Any] = {"proxy": None} if urlsplit(site).hostname in LOOPBACK else {}
    socket = await connect(
        f"{address}/api/v1/sessions/{session_id}/agent",
        additional_headers={
            "Authorization": f"Placement {token}",
            "X-Forwarded-Proto": "https",  # as probes say it: inside a cluster no proxy stands before the site
        },
        compression=None,
        open_timeout=CONNECT_SECONDS,
        close_timeout=CLOSE_SECONDS,
        ping_interval=None,  # both ends have a sign of life of their own, which passes every relay
        max_size=LONGEST_MESSAGE,
        max_queue=QUEUED_MESSAGES,
        process_exception=lambda error: error,  # nothing is tried again: the caller waits, and can
        **more,
    )
    return Wire(socket)
