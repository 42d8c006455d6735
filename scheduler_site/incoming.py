"""A request as it comes in, piece by piece: whether all of it is there, so that no thread has to wait for the rest."""

import re
from dataclasses import dataclass, field

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
