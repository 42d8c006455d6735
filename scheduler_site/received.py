"""What has come in of a request already, handed to the parser and to who reads the body by its place.

Gunicorn's own buffer copies all that is left for each piece that somebody takes: of a body of 8 MiB, most of the time that
reading it took.
"""

from typing import Any

from gunicorn.http.unreader import SocketUnreader


class Received(SocketUnreader):
    """Reads what was put back first, then the socket."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self._held = memoryview(b"")
        self._at = 0

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes:
        """So many bytes, fewer only where the connection ends; without a number the next ones, however many."""
        left = len(self._held) - self._at
        if not left:
            return bytes(super().read(size, read_ahead))
        wanted = min(left, self.mxchunk) if size is None or size < 0 else size
        if wanted <= left:
            return self._take(wanted)
        self.buf.write(self._take(left))
        return bytes(super().read(size, read_ahead))

    def unread(self, data: bytes | bytearray) -> None:
        """These bytes come next. Who puts back what was just taken has nothing copied."""
        before = self._at - len(data)
        if before >= 0 and self._held[before : self._at] == memoryview(data):
            self._at = before
            return
        rest = self.take_buffered()
        self._held, self._at = memoryview(bytes(data) + rest if rest else data), 0

    def take_buffered(self) -> bytes:
        """All that was read from the socket and by nobody since."""
        return self._take(len(self._held) - self._at) + bytes(super().take_buffered())

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[self._at : self._at + size])
        self._at += size
        if self._at == len(self._held):  # a connection that is kept keeps no body
            self._held, self._at = memoryview(b""), 0
        return taken
