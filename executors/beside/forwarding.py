"""Connections to a port of this node, for a caller who is elsewhere."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from executors.beside.flow import Connection, Incoming, Outgoing
from executors.beside.process import Result
from executors.beside.wire import GONE, Wire
from streams.frames import FIRST_CONNECTION, BadFrameError, Frame, Kind, number

HOSTS = ("127.0.0.1", "::1")
MOST_CONNECTIONS = 64
CONNECT_SECONDS = 5.0


@dataclass
class Open:
    """One connection that is open, or about to be."""

    task: "asyncio.Task[None]"
    incoming: Incoming | None = None
    outgoing: Outgoing | None = None
    early: list[Frame] = field(default_factory=list)  # what came before it was open


class Forwarding:
    """The connections of one session, to one port."""

    def __init__(self, wire: Wire, port: int, touched: Callable[[], None]) -> None:
        self._wire, self._port, self._touched = wire, port, touched
        self._open: dict[int, Open] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def is_there(self) -> bool:
        """Whether anybody listens there now."""
        try:
            _, writer = await self._connect()
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    def heard(self, frame: Frame) -> None:
        """Do what the caller says. Raises BadFrameError."""
        if frame.kind == Kind.OPEN:
            self._begin(frame.stream)
            return
        found = self._open.get(frame.stream)
        if found is None:
            return  # closed here a moment ago
        if frame.kind == Kind.CLOSED:
            found.task.cancel()
        elif found.incoming is None or found.outgoing is None:
            if len(found.early) >= MOST_CONNECTIONS:
                raise BadFrameError("too much before a connection was open")
            found.early.append(frame)
        else:
            _pass(frame, found.incoming, found.outgoing)

    async def run(self) -> Result:
        """For as long as the caller wants."""
        await self._broken
        return Result(0)

    async def close(self) -> None:
        tasks = [one.task for one in self._open.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, stream: int) -> None:
        if stream < FIRST_CONNECTION or stream in self._open:
            raise BadFrameError("a connection under a number that is not free")
        self._open[stream] = Open(asyncio.ensure_future(self._serve(stream)))

    async def _serve(self, stream: int) -> None:
        why = b""
        try:
            if len(self._open) > MOST_CONNECTIONS:
                why = b"as many connections are open as may be"
                return
            why = await self._forward(stream)
        except GONE:
            if not self._broken.done():
                self._broken.set_result(None)
        finally:
            self._open.pop(stream, None)
            with contextlib.suppress(*GONE):
                await self._wire.send(Kind.CLOSED, stream, why)

    async def _forward(self, stream: int) -> bytes:
        try:
            reader, writer = await self._connect()
        except (OSError, TimeoutError) as error:
            return f"nobody answers on port {self._port}: {error or 'no answer'}".encode()
        connection = Connection(reader, writer)
        mine = self._open[stream]
        mine.incoming = Incoming(self._wire, stream, connection, self._touched)
        mine.outgoing = Outgoing(self._wire, stream, connection, self._touched)
        for frame in mine.early:
            _pass(frame, mine.incoming, mine.outgoing)
        try:
            await _both(mine.incoming, mine.outgoing)
        finally:
            connection.close()
        return b""

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To whichever loopback address answers. Raises OSError or TimeoutError of the first."""
        problem: Exception | None = None
        for host in HOSTS:
            try:
                return await asyncio.wait_for(asyncio.open_connection(host, self._port), CONNECT_SECONDS)
            except (OSError, TimeoutError) as error:
                problem = problem or error
        assert problem is not None  # noqa: S101  there are hosts
        raise problem


async def _both(incoming: Incoming, outgoing: Outgoing) -> None:
    """Until both directions are over."""
    ways = [asyncio.ensure_future(incoming.run()), asyncio.ensure_future(outgoing.run())]
    try:
        await asyncio.gather(*ways)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


def _pass(frame: Frame, incoming: Incoming, outgoing: Outgoing) -> None:
    if frame.kind == Kind.DATA:
        incoming.put(frame.content)
    elif frame.kind == Kind.END:
        incoming.end()
    elif frame.kind == Kind.ROOM:
        outgoing.grant(number(frame.content))
