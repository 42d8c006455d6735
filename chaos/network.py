"""A TCP proxy between one agent and a server, which can be cut, or take everything and pass nothing on.

All proxies live in one thread with one event loop; what others call is safe from any thread.
"""

import asyncio
import threading
from enum import Enum

from local_stack.servers.ports import LOOPBACK, pick_free

CHUNK = 64 * 1024
START_SECONDS = 10.0


class LinkState(Enum):
    """How a connection between two machines is."""

    OPEN = "open"
    CUT = "cut"  # every connection is reset, new ones too
    DEAF = "half-open"  # connections stay and are taken, but nothing arrives


class Network:
    """The thread in which proxies run."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="network", daemon=True)
        self._thread.start()

    def proxy(self, target_port: int) -> "Proxy":
        """A new proxy to this port of the machine, which listens when this returns."""
        made = Proxy(self, target_port)
        asyncio.run_coroutine_threadsafe(made.listen(), self.loop).result(START_SECONDS)
        return made

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(START_SECONDS)


class Proxy:
    """Passes bytes on in both directions as long as its line is open."""

    def __init__(self, network: Network, target_port: int) -> None:
        self.port = pick_free()
        self._network = network
        self._target_port = target_port
        self._state = LinkState.OPEN
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def set(self, line: LinkState) -> None:
        """From now on the line is like this. One that is opened again resets what was lost in between."""
        self._network.loop.call_soon_threadsafe(self._change, line)

    def lead_to(self, port: int) -> None:
        """From now on what is connected is connected to this port; what was connected before is reset."""
        self._network.loop.call_soon_threadsafe(self._turn, port)

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    def _change(self, line: LinkState) -> None:
        before, self._state = self._state, line
        if line == LinkState.CUT or before == LinkState.DEAF:
            self._reset()

    def _turn(self, port: int) -> None:
        self._target_port = port
        self._reset()

    def _reset(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if self._state == LinkState.CUT:
                return
            if self._state == LinkState.DEAF:
                await self._swallow(reader)
                return
            await self._connect(reader, writer)
        except OSError:
            pass  # either side went away: that is what it is for
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
        self._writers.add(far_writer)
        passing = [asyncio.create_task(self._pass(*pair)) for pair in ((reader, far_writer), (far_reader, writer))]
        self._tasks.update(passing)
        try:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers.discard(far_writer)
            far_writer.transport.abort()
            for task in passing:
                task.cancel()
            self._tasks.difference_update(passing)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK):
                if self._state == LinkState.OPEN:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            return

    @staticmethod
    async def _swallow(reader: asyncio.StreamReader) -> None:
        while await reader.read(CHUNK):
            pass
