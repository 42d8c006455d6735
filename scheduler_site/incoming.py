"""A request as it comes in, piece by piece: whether all of it is there, so that no thread has to wait for the rest.

And what came in so, handed to the parser and to who reads the body by its place: gunicorn's own buffer copies all that is left
for each piece that somebody takes, of a body of 8 MiB most of the time that reading it took.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from gunicorn.http.unreader import SocketUnreader

LONGEST_HEAD = 64 * 1024  # what is longer is refused by whoever parses it
HEAD_ENDS, LINE_ENDS = b"\r\n\r\n", b"\r\n"
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")


@dataclass
class Incoming:
    """The bytes of one request so far. `longest_body` is where collecting ends: what is longer will be refused."""

    longest_body: int
    data: bytearray = field(default_factory=bytearray)
    _head: int = 0  # where the body begins
    _length: int | None = None  # of the body; None: it comes in chunks
    _chunk: int = 0  # where the next chunk begins

    def add(self, piece: bytes) -> None:
        searched = max(0, len(self.data) - len(HEAD_ENDS))
        self.data += piece
        if not self._head and (found := self.data.find(HEAD_ENDS, searched)) >= 0:
            self._read_head(found + len(HEAD_ENDS))

    @property
    def whole(self) -> bool:
        """Whether whoever takes it has nothing to wait for: all is there, or it will be refused as it is."""
        if not self._head:
            return len(self.data) > LONGEST_HEAD
        body = len(self.data) - self._head
        if body > self.longest_body:
            return True
        if self._length is not None:
            return body >= self._length or self._length > self.longest_body
        return self._chunks_ended()

    @property
    def expects_a_word(self) -> bool:
        """Whether the caller keeps the body back until somebody says that it is wanted."""
        return bool(self._head) and EXPECTS.search(self.data, 0, self._head) is not None

    def _read_head(self, end: int) -> None:
        self._head = self._chunk = end
        if CHUNKED.search(self.data, 0, end):
            return
        lengths = [int(length) for length in LENGTH.findall(self.data, 0, end)]
        self._length = min(lengths, default=0)

    def _chunks_ended(self) -> bool:
        """Whether the last chunk is there. What is no chunk is for the parser to refuse."""
        while (line := self.data.find(LINE_ENDS, self._chunk)) >= 0:
            size = CHUNK_SIZE.match(self.data, self._chunk, line)
            if size is None:
                return True
            if int(size[0], 16) == 0:
                return self.data.find(HEAD_ENDS, line) >= 0
            following = line + len(LINE_ENDS) + int(size[0], 16) + len(LINE_ENDS)
            if following > len(self.data):
                return False
            self._chunk = following
        return len(self.data) - self._chunk > LONGEST_HEAD


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
