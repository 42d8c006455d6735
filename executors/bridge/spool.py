"""What a member printed and reported, copied here from the cluster in the format of shims: the agent's readers read it.

The log is within the same limit as a shim's: its beginning, and of what comes after the most recent. Nothing is kept
open between two writes: a bridge has thousands of these.
"""

import os
from pathlib import Path

from workers.runtime.log_reader import LIMIT, parts, printed

TAIL_SHARE = 8
"""Each of the two parts of the tail is this fraction of the limit."""
TAIL_PARTS = 2
RESUMED, LOST = "resumed", "cluster"
"""Why another file begins: an earlier bridge's files lie elsewhere, or the cluster did not keep what came before it."""


class LogSpool:
    """The output of one member. `position` counts its bytes, missing ones included: where the cluster is read next."""

    def __init__(self, folder: Path, limit: int, stored: int) -> None:
        """Go on after what lies here, or after the first `stored` bytes, which the database has."""
        self._folder = folder
        self._tail_room = max(1, limit // TAIL_SHARE)
        here = printed(folder)
        self.position = max(here, stored)
        head = max(0, limit - TAIL_PARTS * self._tail_room)
        in_tail = any(part.reason == LIMIT for part in parts(folder)) or self.position >= head
        self._room = self._tail_room if in_tail else head - self.position
        self._path = folder / "log" if not self.position else self._begin(RESUMED)

    def add(self, data: bytes, position: int, *, lost: bool = False) -> None:
        """Bytes of the output that end at `position`; with `lost`, some before them are missing."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        begins = position - len(data)
        if lost and begins > self.position:
            self.position = begins
            self._path = self._begin(LOST)
        while data:
            if not self._room:
                self._begin_tail_part()
            kept, data = data[: self._room], data[self._room :]
            with self._path.open("ab") as file:
                file.write(kept)
            self.position += len(kept)
            self._room -= len(kept)
        self.position = max(self.position, position)

    def _begin(self, reason: str) -> Path:
        return self._folder / f"log.{self.position}.{reason}"

    def _begin_tail_part(self) -> None:
        self._room, self._path = self._tail_room, self._begin(LIMIT)
        tail = sorted((part for part in parts(self._folder) if part.reason == LIMIT), key=lambda part: part.position)
        for part in tail[: 1 - TAIL_PARTS]:  # the one that is being begun is the other
            part.path.unlink(missing_ok=True)


class ReportSpool:
    """What rank 0 wrote to TRAINYARD_REPORT. `position`: where the cluster is read next."""

    def __init__(self, path: Path, stored: int) -> None:
        """As for a log; what the database has need not lie here again: a file with a hole stands for it."""
        self._path = path
        here = path.stat().st_size if path.exists() else 0
        self.position = max(here, stored)
        if stored > here:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with path.open("ab"):
                os.truncate(path, stored)

    def add(self, data: bytes, position: int) -> None:
        """Bytes that end at `position`; of lines that the cluster lost nothing is told."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.open("ab") as file:
            file.write(data)
        if position != self.position + len(data):
            os.truncate(self._path, max(position, self._path.stat().st_size))
        self.position = position
