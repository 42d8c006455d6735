"""What an attempt at a job writes, as it is written."""

import json
import time
from collections.abc import Iterator

from trainyard.errors import OutOfReachError
from trainyard.http.event_stream import parse_events
from trainyard.http.patience import Patience
from trainyard.http.requests import Row, Server

POLL_SECONDS = 1.0
FIRST_REACH_BYTES = 16 * 1024
LEAST_PIECE = 4
NO_TEXT = "\ufffd"
"""Stands in a text for bytes that are none."""


class Log:
    """Reads one attempt's log onwards from where it stands; without a number, the latest attempt's.

    `rank` is one of a job over several nodes.
    """

    def __init__(self, server: Server, job_id: int, attempt: int | None = None, rank: int | None = None) -> None:
        self._server = server
        self._path = f"jobs/{job_id}/logs"
        self._which = {"attempt": attempt, "rank": rank}
        self.offset = 0
        self.ended = False

    def written(self) -> Iterator[bytes]:
        """The bytes that have been written so far."""
        accepted = "text/plain"
        with self._server.stream(self._path, accepted, offset=self.offset, **self._which) as answer:
            for data in answer.iter_bytes():
                self.offset += len(data)
                yield data

    def skip_to_last(self, lines: int) -> None:
        """Stand before the last `lines` of what has been written so far."""
        self.offset += beginning_of_last(self._reach_back(lines), lines)

    def last_lines(self, lines: int) -> list[str]:
        """The last lines that have been written so far."""
        data = self._reach_back(lines)
        return data[beginning_of_last(data, lines) :].decode(errors="replace").splitlines()

    def _reach_back(self, lines: int) -> bytes:
        """All bytes from somewhere before the last lines on; we stand at the first of them."""
        reach = FIRST_REACH_BYTES
        while True:
            self.offset = self._server.get(self._path, offset=-reach, limit=LEAST_PIECE, **self._which)["offset"]
            with self._server.stream(self._path, "text/plain", offset=self.offset, **self._which) as answer:
                data = answer.read()
            if not self.offset or data.count(b"\n") > lines:
                return data
            reach *= 8

    def to_the_end(self, patience: Patience | None = None) -> Iterator[bytes]:
        """All bytes until the attempt has ended, as they come, over lost connections, and none of them twice."""
        patience = patience or Patience()
        while not self.ended:
            try:
                yield from self._follow()
            except OutOfReachError:
                yield from self._catch_up(patience)
            if not self.ended:
                time.sleep(POLL_SECONDS)

    def pieces(self) -> Iterator[Row]:
        """What has been written from here on as text, until there is no more for now."""
        offset = self.offset
        while True:
            piece = self._server.get(self._path, offset=offset, **self._which)
            yield piece
            if piece["complete"] or piece["next_offset"] <= offset:
                return
            offset = piece["next_offset"]

    def _follow(self) -> Iterator[bytes]:
        """What comes, until the attempt or the connection ends."""
        accepted = "text/event-stream"
        with self._server.stream(self._path, accepted, follow=1, offset=self.offset, **self._which) as answer:
            for event in parse_events(answer.iter_lines()):
                if event.kind == "end":
                    self.ended = True
                    return
                yield from self._bytes_of(json.loads(event.data))

    def _catch_up(self, patience: Patience) -> Iterator[bytes]:
        """What is there, without a connection that stays."""
        for piece in patience.ask(lambda: list(self.pieces())):
            yield from self._bytes_of(piece)
            self.ended = bool(piece["complete"])

    def _bytes_of(self, piece: Row) -> Iterator[bytes]:
        if piece["next_offset"] <= self.offset:
            return
        if NO_TEXT in piece["text"]:
            yield from self.written()
            return
        self.offset = piece["next_offset"]
        yield piece["text"].encode()


def beginning_of_last(data: bytes, lines: int) -> int:
    """Where the last lines begin; one that has no end yet is a line, too."""
    position = len(data) - data.endswith(b"\n")
    for _ in range(lines):
        position = data.rfind(b"\n", 0, position)
        if position < 0:
            return 0
    return position + 1 if lines else len(data)
