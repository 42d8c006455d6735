"""Streams of a session: bytes from this node to the caller and back, no faster than whoever takes them."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Protocol

from executors.beside.wire import Wire
from streams.frames import Kind
from streams.frames import room as room_frame
from streams.room import Receiving, Sending

PIECE = 32 * 1024


class Source(Protocol):
    """Where bytes come from; none at the end."""

    async def read(self, most: int) -> bytes: ...


class Sink(Protocol):
    """Where bytes go to. What nobody takes any more is lost, quietly."""

    async def write(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Outgoing:
    """From a source to the caller."""

    def __init__(self, wire: Wire, number: int, source: Source, touched: Callable[[], None]) -> None:
        self._wire, self._number, self._source, self._touched = wire, number, source, touched
        self._sending = Sending()
        self._room = asyncio.Event()

    def grant(self, count: int) -> None:
        """Raises BadFrameError."""
        self._sending.grant(count)
        self._room.set()

    async def run(self) -> None:
        """Until the source has ended. Raises what is in GONE."""
        while True:
            while not self._sending.room:
                self._room.clear()
                await self._room.wait()
            data = await self._source.read(min(self._sending.room, PIECE))
            if not data:
                await self._wire.send(Kind.END, self._number)
                return
            self._sending.take(len(data))
            self._touched()
            await self._wire.send(Kind.DATA, self._number, data)


class Incoming:
    """From the caller to a sink."""

    def __init__(self, wire: Wire, number: int, sink: Sink, touched: Callable[[], None]) -> None:
        self._wire, self._number, self._sink, self._touched = wire, number, sink, touched
        self._receiving = Receiving()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()  # never more than a window's bytes

    def put(self, data: bytes) -> None:
        """Raises BadFrameError for more than there was room for."""
        self._touched()
        self._receiving.received(len(data))
        if data:
            self._queue.put_nowait(data)

    def end(self) -> None:
        """The caller says no more."""
        self._queue.put_nowait(b"")

    async def run(self) -> None:
        """Until the caller has said all. Raises what is in GONE."""
        while data := await self._queue.get():
            await self._sink.write(data)
            if count := self._receiving.done(len(data)):
                await self._wire.send_frame(room_frame(self._number, count))
        self._sink.end()


class Descriptor:
    """A descriptor that does not block: a pipe, or a terminal. Closed by whoever opened it, or by its end."""

    def __init__(self, fd: int, *, at_end: bytes = b"") -> None:
        self._fd = fd
        self._at_end = at_end  # what a terminal is told instead of being closed
        self._open = True

    async def read(self, most: int) -> bytes:
        while self._open:
            try:
                return os.read(self._fd, most)
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_reader, asyncio.get_running_loop().remove_reader)
            except OSError:  # of a terminal: nobody has it open any more
                return b""
        return b""

    async def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and self._open:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._ready(asyncio.get_running_loop().add_writer, asyncio.get_running_loop().remove_writer)
            except OSError:
                return

    def end(self) -> None:
        if self._at_end:
            with contextlib.suppress(OSError):
                os.write(self._fd, self._at_end)
        else:
            self.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
            os.close(self._fd)

    async def _ready(self, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
        ready = asyncio.get_running_loop().create_future()
        add(self._fd, _wake, ready)
        try:
            await ready
        finally:
            if self._open:
                remove(self._fd)


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


class Connection:
    """A TCP connection on this node."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, most: int) -> bytes:
        try:
            return await self._reader.read(most)
        except OSError:
            return b""

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._writer.write(data)
            await self._writer.drain()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            if self._writer.can_write_eof():
                self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()
