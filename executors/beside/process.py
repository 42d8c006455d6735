"""A command or a terminal beside a job's own command, as its caller sees it."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from executors.beside.flow import Descriptor, Incoming, Outgoing
from executors.beside.wire import Wire
from streams.frames import STDERR, STDIN, STDOUT, Frame, Kind, number, rows_and_columns
from workers.runtime.beside.launch import Companion

END_OF_FILE = b"\x04"  # what a terminal takes for the end of its input
RESULT_BYTES = 4096
LOST = "The process that looked after the command was killed."
SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "HUP": signal.SIGHUP, "QUIT": signal.SIGQUIT}


@dataclass(frozen=True, slots=True)
class Result:
    """How it ended."""

    exit_code: int | None
    message: str = ""


class ProcessSession:
    """Frames on one side, a companion of the job's command on the other."""

    def __init__(self, wire: Wire, companion: Companion, touched: Callable[[], None]) -> None:
        self._companion = companion
        self._stdin = Descriptor(companion.stdin, at_end=END_OF_FILE if companion.stderr < 0 else b"")
        own = companion.stderr < 0
        self._stdout = self._stdin if own else Descriptor(companion.stdout)
        self._stderr = None if own else Descriptor(companion.stderr)
        self._incoming = Incoming(wire, STDIN, self._stdin, touched)
        self._outgoing = {STDOUT: Outgoing(wire, STDOUT, self._stdout, touched)}
        if self._stderr is not None:
            self._outgoing[STDERR] = Outgoing(wire, STDERR, self._stderr, touched)

    def heard(self, frame: Frame) -> None:
        """Do what the caller says. Raises BadFrameError."""
        if frame.kind == Kind.DATA and frame.stream == STDIN:
            self._incoming.put(frame.content)
        elif frame.kind == Kind.END and frame.stream == STDIN:
            self._incoming.end()
        elif frame.kind == Kind.ROOM and frame.stream in self._outgoing:
            self._outgoing[frame.stream].grant(number(frame.content))
        elif frame.kind == Kind.SIGNAL:
            found = SIGNALS.get(frame.content.decode(errors="replace"))
            if found is not None:
                self._companion.signal(found)
        elif frame.kind == Kind.SIZE:
            with contextlib.suppress(OSError):
                self._companion.resize(*rows_and_columns(frame.content))

    async def run(self) -> Result:
        """Until the command and all its output are over. Raises what is in GONE."""
        talking = asyncio.ensure_future(self._incoming.run())
        writing = [asyncio.ensure_future(one.run()) for one in self._outgoing.values()]
        reading = asyncio.ensure_future(self._result())
        both: list[asyncio.Future[Any]] = [reading, *writing]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
            for one in writing:
                await one
            return await reading
        finally:
            for task in [talking, *both]:
                task.cancel()
            await asyncio.gather(talking, *both, return_exceptions=True)

    async def _result(self) -> Result:
        source = Descriptor(os.dup(self._companion.result))
        try:
            said = await source.read(RESULT_BYTES)
        finally:
            source.close()
        try:
            found = json.loads(said)
            return Result(int(found["exit_code"]), str(found["message"]))
        except (ValueError, KeyError, TypeError):
            return Result(None, LOST)

    def close(self) -> None:
        for one in (self._stdin, self._stdout, self._stderr):
            if one is not None:
                one.close()
        self._companion.close()
