"""What an attempt at a job writes, as it is written."""

import json
import sys
import time
from collections.abc import Iterator

from cli.client import Row, Server
from cli.errors import OutOfReachError
from cli.event_stream import parse_events
from cli.patience import Patience

POLL_SECONDS = 1.0
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

    def print_all(self) -> None:
        """Print the bytes that have been written so far."""
        accepted = "text/plain"
        with self._server.stream(self._path, accepted, offset=self.offset, **self._which) as answer:
            for data in answer.iter_bytes():
                self.offset += len(data)
                write(data)

    def print_to_the_end(self) -> None:
        """Print all until the attempt has ended, over lost connections, and no byte twice."""
        patience = Patience()
        while not self.ended:
            try:
                self._follow()
            except OutOfReachError:
                patience.ask(self._catch_up)
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

    def _follow(self) -> None:
        """Print what comes, until the attempt or the connection ends."""
        accepted = "text/event-stream"
        with self._server.stream(self._path, accepted, follow=1, offset=self.offset, **self._which) as answer:
            for event in parse_events(answer.iter_lines()):
                if event.kind == "end":
                    self.ended = True
                    return
                self._print(json.loads(event.data))

    def _catch_up(self) -> None:
        """Print what is there, without a connection that stays."""
        for piece in self.pieces():
            self._print(piece)
            self.ended = bool(piece["complete"])

    def _print(self, piece: Row) -> None:
        if piece["next_offset"] <= self.offset:
            return
        if NO_TEXT in piece["text"]:
            self.print_all()
            return
        write(piece["text"].encode())
        self.offset = piece["next_offset"]


def write(data: bytes) -> None:
    """Bytes to standard output at once, as they are."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
