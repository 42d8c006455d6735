"""How much room folders take on the disk, found a little at a time: there may be millions of files, on a slow server."""

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

BLOCK_BYTES = 512  # what st_blocks counts in, whatever the file system's own blocks are
LINKS_KNOWN = 100_000
GLANCES = 64
"""The clock is looked at after so many files."""


class DiskUsage:
    """Walks through the folders again and again; what the walk has found so far is never more than what it has seen."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._walk: Iterator[int] | None = None
        self._found = 0

    def walk(self, seconds: float) -> int:
        """Goes on for so long at most; returns the bytes that this walk has found by now: at its end, all there are."""
        give_up = time.monotonic() + seconds
        if self._walk is None:
            self._walk, self._found = sizes(self._folders), 0
        while time.monotonic() < give_up:
            some = list(islice(self._walk, GLANCES))
            self._found += sum(some)
            if len(some) < GLANCES:
                self._walk = None
                break
        return self._found


def sizes(folders: Iterable[Path]) -> Iterator[int]:
    """What each entry below the folders takes on the disk, holes left out; a file with several names counts once."""
    waiting: list[str | Path] = list(folders)
    linked: set[tuple[int, int]] = set()
    while waiting:
        for entry in entries(waiting.pop()):
            status = status_of(entry)
            if status is None:
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append(entry.path)
            elif status.st_nlink > 1 and len(linked) < LINKS_KNOWN:
                known = (status.st_dev, status.st_ino) in linked
                linked.add((status.st_dev, status.st_ino))
                yield 0 if known else status.st_blocks * BLOCK_BYTES
                continue
            yield status.st_blocks * BLOCK_BYTES


def entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Those of one folder as they come; it may be removed, replaced or closed to us meanwhile."""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        yield from found


def status_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None
