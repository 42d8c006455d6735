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
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """Every connection breaks, and new ones end at once."""
        self._cut = True
        for end in list(self._ends):
            hang_up(end)

    def mend(self) -> None:
        self._cut = False

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
                far = socket.create_connection(("127.0.0.1", self._to_port))
                self._ends |= {near, far}
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

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
