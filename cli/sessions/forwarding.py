"""A port of a job's node, as one of ours."""

import contextlib
import itertools
import json
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

from cli.errors import CommandError, UsageError
from cli.output import note
from cli.sessions.wire import SessionBrokenError, Wire
from streams.frames import FIRST_CONNECTION, MOST_STREAMS, BadFrameError, Frame, Kind, number, room
from streams.room import Receiving, Sending

PIECE = 32 * 1024
LOOPBACK = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """On our loopback address; 0: on a port that is free. Raises UsageError where it is not free."""
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise UsageError(
            f"--local: cannot listen on {LOOPBACK}:{port}: {error.strerror}. Name another port with --local, or 0."
        ) from error


@dataclass
class Local:
    """One connection that somebody made here."""

    socket: socket.socket
    sending: Sending = field(default_factory=Sending)
    receiving: Receiving = field(default_factory=Receiving)
    changed: threading.Condition = field(default_factory=threading.Condition)
    pieces: list[bytes] = field(default_factory=list)  # from the other side, never more than a window's bytes
    ended: bool = False
    closed: bool = False


class Forwarding:
    """All connections of one session."""

    def __init__(self, wire: Wire, listener: socket.socket) -> None:
        self._wire, self._listener = wire, listener
        self._numbers = itertools.cycle(range(FIRST_CONNECTION, MOST_STREAMS))
        self._open: dict[int, Local] = {}
        self._lock = threading.Lock()
        self.ready = threading.Event()
        self.over = threading.Event()
        self._end: dict[str, Any] = {}
        self._problem: CommandError | None = None

    def start(self) -> None:
        threading.Thread(target=self._hear, daemon=True).start()

    def accept(self) -> None:
        """From now on whoever connects here is connected there. Returns at once."""
        threading.Thread(target=self._accept, daemon=True).start()

    def result(self) -> int:
        """After the end: an exit code. Raises SessionBrokenError."""
        if self._problem is not None:
            raise self._problem
        code, message = self._end.get("exit_code"), str(self._end.get("message") or "")
        if not isinstance(code, int):
            raise SessionBrokenError(message or "the session ended, and nobody knows how.")
        if message:
            note(f"error: {message}")
        return code

    def close(self) -> None:
        self._listener.close()
        for local in list(self._open.values()):
            _shut(local)

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
            self.over.set()
            self.ready.set()

    def _heard(self, frame: Frame) -> None:
        if frame.kind == Kind.READY:
            self.ready.set()
            return
        local = self._open.get(frame.stream)
        if local is None:
            return
        with local.changed:
            if frame.kind == Kind.DATA:
                local.receiving.received(len(frame.content))
                local.pieces.append(frame.content)
            elif frame.kind == Kind.END:
                local.ended = True
            elif frame.kind == Kind.ROOM:
                local.sending.grant(number(frame.content))
            elif frame.kind == Kind.CLOSED:
                local.ended = local.closed = True
                if frame.content:
                    note(f"error: {frame.content.decode(errors='replace')}")
            local.changed.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                stream = next(one for one in self._numbers if one not in self._open)
                local = self._open[stream] = Local(connection)
            self._wire.send(Kind.OPEN, stream)
            threading.Thread(target=self._there, args=(stream, local), daemon=True).start()
            threading.Thread(target=self._back, args=(stream, local), daemon=True).start()

    def _there(self, stream: int, local: Local) -> None:
        """What is said here."""
        while True:
            with local.changed:
                while not local.sending.room and not local.closed:
                    local.changed.wait()
                most = min(local.sending.room, PIECE)
            try:
                data = b"" if local.closed else local.socket.recv(most)
            except OSError:
                data = b""
            if not data:
                self._wire.send(Kind.END, stream)
                return
            with local.changed:
                local.sending.take(len(data))
            self._wire.send(Kind.DATA, stream, data)

    def _back(self, stream: int, local: Local) -> None:
        """What is said there."""
        while True:
            with local.changed:
                while not local.pieces and not local.ended:
                    local.changed.wait()
                data, local.pieces = b"".join(local.pieces), []
            if data:
                try:
                    local.socket.sendall(data)
                except OSError:  # gone
                    self._wire.send(Kind.CLOSED, stream)
                    break
                with contextlib.suppress(BadFrameError), local.changed:
                    count = local.receiving.done(len(data))
                if count:
                    self._wire.send_frame(room(stream, count))
            elif local.closed:
                break
            else:  # ended: it says no more, and may still hear
                with contextlib.suppress(OSError):
                    local.socket.shutdown(socket.SHUT_WR)
                with local.changed:
                    while not local.closed:
                        local.changed.wait()
                break
        _shut(local)
        with self._lock:
            self._open.pop(stream, None)


def _shut(local: Local) -> None:
    with local.changed:
        local.ended = local.closed = True
        local.changed.notify_all()
    with contextlib.suppress(OSError):
        local.socket.shutdown(socket.SHUT_RDWR)
    local.socket.close()
