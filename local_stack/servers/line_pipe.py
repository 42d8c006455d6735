"""What a process writes, line by line, as it comes."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

LINE_LIMIT = 64 * 1024
AFTER_THE_END_SECONDS = 0.5  # a grandchild may hold the pipe open for as long as it likes


class LinePipe:
    """A pipe for a process to write to. Unlike asyncio's own, it does not make waiting for the process wait for it."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._read_end, self.write_end = os.pipe()
        self._reading: asyncio.Task[None] | None = None

    def start_reading(self) -> None:
        """Call it once the process has its own copy of `write_end`."""
        os.close(self.write_end)
        self._reading = asyncio.create_task(self._read())

    def close(self) -> None:
        """When there is no process to read from."""
        os.close(self.write_end)
        os.close(self._read_end)

    async def finish(self) -> None:
        """The process has ended: show what it wrote last."""
        if self._reading:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._reading, AFTER_THE_END_SECONDS)

    async def _read(self) -> None:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(limit=LINE_LIMIT)
        pipe = os.fdopen(self._read_end, "rb")
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            await self._show_lines(reader)
        finally:
            transport.close()

    async def _show_lines(self, reader: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await reader.read(LINE_LIMIT):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LINE_LIMIT:  # an endless line, in pieces
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._show(line.decode(errors="replace"))
        if rest:
            self._show(rest.decode(errors="replace"))
