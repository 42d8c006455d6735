"""What a command printed, read while it still prints, from the files that its shim keeps of it (`workers/runtime/shim/log.py`)."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK_BYTES = 256 * 1024
REASON_CHARACTERS = 20
HELD_BACK = "held_back"
LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that are missing from the output at one place; None: nobody knows how many.

    `reason` is one of those in the files' names, or `shim_killed` (who wrote the log was killed), or `held_back`:
    nothing is missing, but what comes now is only shown when the command has ended.
    """

    missing: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the log: where in the output it begins, and why bytes before it may be missing."""

    position: int
    path: Path
    reason: str = ""


class LogReader:
    """Follows one growing log. `position` counts the output's bytes, missing ones included: to be kept over restarts.

    The most recent part of a log beyond its limit is still being exchanged while the command runs: it is left alone
    until `end` has been called.
    """

    def __init__(self, folder: Path, position: int = 0, *, told_of_limit: bool = False) -> None:
        self.folder = folder
        self.resume(position, told_of_limit=told_of_limit)
        self._ended = False
        self._length: int | None = None
        self._lost = ""

    def resume(self, position: int, *, told_of_limit: bool) -> None:
        """Go on from there: what was read after it did not get where it should."""
        self.position = position
        self._told_of_limit = told_of_limit
        self._told_of_end = False
        self._part = self._part_before(position)

    def end(self, length: int | None, lost: str = "") -> None:
        """The command has ended after printing `length` bytes, None if nobody counted; `lost`: why the last are missing."""
        self._length, self._lost = length, lost
        self._ended = True

    @property
    def at_end(self) -> bool:
        """Whether the command has ended: what was read last is all that there is."""
        return self._ended

    def read_new(self, size: int = CHUNK_BYTES) -> bytes | Gap | None:
        """The next bytes, at most `size`, or what is missing here; None when there is nothing new."""
        ended = self._ended  # before the look: what comes after it is for the next one
        if data := self._read(size):
            return data
        following = self._following()
        if following is None:
            return self._last_gap() if ended else None
        if data := self._read(size):
            return data  # written just before the next file was begun
        if following.reason == LIMIT and not ended:
            return self._hold_back()
        missing = following.position - self.position  # below zero when somebody else wrote into the last file
        self._part, self.position = following, following.position
        return Gap(missing, following.reason) if missing > 0 else self.read_new(size)

    def _read(self, size: int) -> bytes:
        data = read_regular(self._part.path, self.position - self._part.position, size)
        self.position += len(data)
        return data

    def _part_before(self, position: int) -> Part:
        earlier = [part for part in parts(self.folder) if part.position < position]
        return max(earlier, key=lambda part: part.position, default=Part(0, self.folder / "log"))

    def _following(self) -> Part | None:
        """The next file after the one that is being read; the first one may be empty."""
        now = self._part
        later = [part for part in parts(self.folder) if part.position > now.position - (not now.reason)]
        return min(later, key=lambda part: part.position, default=None)

    def _hold_back(self) -> Gap | None:
        if self._told_of_limit:
            return None
        self._told_of_limit = True
        return Gap(0, HELD_BACK)

    def _last_gap(self) -> Gap | None:
        missing = None if self._length is None else self._length - self.position
        if self._told_of_end or (missing is not None and missing <= 0):
            return None
        self._told_of_end = True
        self.position += missing or 0
        return Gap(missing, "shim_killed" if missing is None else self._lost or "removed")


def printed(folder: Path) -> int:
    """How many bytes the command has printed, as far as its files say; 0 where there are none."""
    return max((part.position + _size(part.path) for part in (Part(0, folder / "log"), *parts(folder))), default=0)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def parts(folder: Path) -> Iterator[Part]:
    """The files of a log but the first; what is not named like one is left alone."""
    try:
        found = list(folder.iterdir())
    except OSError:
        return
    for path in found:
        first, _, rest = path.name.partition(".")
        position, _, reason = rest.partition(".")
        if first == "log" and position.isascii() and position.isdecimal() and reason:
            yield Part(int(position), path, reason[:REASON_CHARACTERS])


def read_regular(path: Path, offset: int, size: int) -> bytes:
    """Bytes of a file that a command may have replaced by a pipe or a device: from those nothing is read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(fd, size, offset) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
