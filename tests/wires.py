"""A wire between a process and a server that a test may cut and mend."""

import contextlib
import socket
import threading


class Wire:
    """Listens on a port of its own and passes everything on to another one, as long as it is whole."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: set[socket.socket] = set()
        self._cut = False
        self._answer = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, and new ones end at once."""
        self._cut = True
        self._hang_up_all()

    def mend(self) -> None:
        """New connections reach the server; those that got another answer are ended."""
        self._cut = False
        if self._answer:
            self._answer = b""
            self._hang_up_all()

    def answer(self, line: bytes) -> None:
        """Whoever connects from now on gets this line for each command of Redis's protocol, and reaches nobody."""
        self._answer = line
        self._hang_up_all()

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._cut:
                    near.close()
                    continue
                if self._answer:
                    self._ends.add(near)
                    threading.Thread(target=self._talk, args=(near, self._answer), daemon=True).start()
                    continue
                far = socket.create_connection(("127.0.0.1", self._to_port))
                self._ends |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _talk(self, end: socket.socket, line: bytes) -> None:
        with contextlib.suppress(OSError):
            while data := end.recv(65536):
                end.sendall(line * (data.startswith(b"*") + data.count(b"\r\n*")))
        self._ends.discard(end)

    def _hang_up_all(self) -> None:
        for end in list(self._ends):
            hang_up(end)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            hang_up(end)
            self._ends.discard(end)


def hang_up(end: socket.socket) -> None:
    """Also for a thread that waits for something to come: closing alone would not wake it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
