"""A command or a terminal beside a job: our own input and output are its."""

import contextlib
import json
import os
import queue
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Any

from cli.errors import CommandError
from cli.output import note
from cli.sessions.wire import SessionBrokenError, Wire
from streams.frames import STDERR, STDIN, STDOUT, BadFrameError, Frame, Kind, number, room, size
from streams.room import Receiving, Sending

PIECE = 32 * 1024
TARGETS = {STDOUT: 1, STDERR: 2}
INTERRUPTED, PIPE_CLOSED = 130, 141
USUAL = os.terminal_size((80, 24))


class Beside:
    """One session, to its end."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._sending = Sending()
        self._room = threading.Condition()
        self._receiving = {number: Receiving() for number in TARGETS}
        self._output: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._interrupts = 0
        self._end: dict[str, Any] = {}
        self._problem: CommandError | None = None

    def run(self) -> None:
        """Until it is over, or our user leaves."""
        writing = threading.Thread(target=self._write, daemon=True)
        writing.start()
        threading.Thread(target=self._hear, daemon=True).start()
        threading.Thread(target=self._read, daemon=True).start()
        self._over.wait()
        if self._interrupts <= 1:
            writing.join()

    def result(self) -> int:
        """The command's exit code. Raises SessionBrokenError."""
        if self._interrupts > 1:
            return INTERRUPTED
        if self._problem is not None:
            raise self._problem
        return self._exit_code()

    def interrupt(self, name: str) -> None:
        """For a signal handler: passed on, and at the second time this end leaves at once."""
        self._interrupts += 1
        if self._interrupts > 1:
            self._over.set()
        else:
            self._wire.say(Frame(Kind.SIGNAL, 0, name.encode()))

    def resize(self) -> None:
        """For a signal handler."""
        self._wire.say(own_size())

    def _exit_code(self) -> int:
        code, message = self._end.get("exit_code"), str(self._end.get("message") or "")
        if not isinstance(code, int):
            raise SessionBrokenError(message or "the session ended, and nobody knows how.")
        if message:
            note(f"error: {message}")
        return code

    def _hear(self) -> None:
        try:
            for frame in self._wire.frames():
                if frame.kind == Kind.EXIT:
                    self._end = json.loads(frame.content)
                    return
                self._heard(frame)
        except CommandError as error:
            self._problem = error
        except ValueError as error:
            self._problem = SessionBrokenError(f"the server does not keep to the protocol: {error}.")
        finally:
            self._output.put(None)
            with self._room:
                self._room.notify_all()
            self._over.set()

    def _heard(self, frame: Frame) -> None:
        if frame.kind == Kind.DATA and frame.stream in TARGETS:
            self._receiving[frame.stream].received(len(frame.content))
            self._output.put((frame.stream, frame.content))
        elif frame.kind == Kind.ROOM and frame.stream == STDIN:
            with self._room:
                self._sending.grant(number(frame.content))
                self._room.notify()

    def _write(self) -> None:
        """The only one that may have to wait for our own output."""
        while (item := self._output.get()) is not None:
            stream, data = item
            rest = memoryview(data)
            try:
                while rest:
                    rest = rest[os.write(TARGETS[stream], rest) :]
            except OSError:  # nobody reads it any more
                self._end = {"exit_code": PIPE_CLOSED}
                self._over.set()
                return
            with contextlib.suppress(BadFrameError):
                if count := self._receiving[stream].done(len(data)):
                    self._wire.send_frame(room(stream, count))

    def _read(self) -> None:
        while not self._over.is_set():
            with self._room:
                while not self._sending.room and not self._over.is_set():
                    self._room.wait()
                most = min(self._sending.room, PIECE)
            try:
                data = os.read(0, most) if most else b""
            except OSError:
                data = b""
            if not data:
                self._wire.send(Kind.END, STDIN)
                return
            with self._room:
                self._sending.take(len(data))
            self._wire.send(Kind.DATA, STDIN, data)


def own_size() -> Frame:
    columns, rows = terminal_size()
    return size(rows, columns)


def terminal_size() -> os.terminal_size:
    for fd in (1, 0, 2):
        with contextlib.suppress(OSError):
            return os.get_terminal_size(fd)
    return USUAL


@contextlib.contextmanager
def signals(beside: Beside, *, terminal: bool) -> Iterator[None]:
    """Ctrl-C is for the command; at the second one we leave. With a terminal its size is passed on."""
    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: beside.interrupt("INT"))}
    for one in (signal.SIGTERM, signal.SIGHUP):
        before[one] = signal.signal(one, lambda number, _: sys.exit(128 + number))
    if terminal:
        before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, lambda *_: beside.resize())
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """Every key goes to the other side as it is; the terminal is as it was afterwards, whatever happens."""
    before = termios.tcgetattr(0)
    try:
        tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is for the other side
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
