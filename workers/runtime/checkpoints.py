"""When a command last wrote a checkpoint, by the files in the folder that it was given for them."""

import os
import stat
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

LOOK_SECONDS = 5.0
"""How often the folder is looked at: it may lie on a file server."""
ENTRIES = 1000
"""At most so many entries of a folder are looked at; checkpoints are few and big."""
NOTES = ".trainyard"
"""The folder in which the package for training scripts notes from where an attempt began: no checkpoint."""


class CheckpointMonitor:
    """Follows one folder: its files and folders, and what lies in those."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._newest = 0.0
        self._next_look = 0.0

    def newly_written_at(self) -> float | None:
        """When the newest entry was written, in seconds since 1970; None when that is known or was asked a moment ago."""
        if time.monotonic() < self._next_look:
            return None
        self._next_look = time.monotonic() + LOOK_SECONDS
        newest = self.newest()
        if newest <= self._newest:
            return None
        self._newest = newest
        return newest

    def newest(self) -> float:
        """When the newest entry was written, by the clock of its file system; 0 if there is none."""
        return max(written_at(self.folder), default=0.0)


def written_at(folder: Path) -> Iterator[float]:
    """When each entry of the folder was written, and each entry of the folders in it, in no order."""
    below = []
    for entry in _entries(folder):
        status = _status(entry)
        if status is not None:
            yield status.st_mtime
            below += [Path(entry.path)] if stat.S_ISDIR(status.st_mode) else []
    for one in below:
        yield from (status.st_mtime for entry in _entries(one) if (status := _status(entry)) is not None)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder, at most `ENTRIES`; none if it cannot be read: the command may have replaced it."""
    try:
        with os.scandir(folder) as found:
            return [entry for entry in islice(found, ENTRIES) if entry.name != NOTES]
    except OSError:
        return []


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:  # removed meanwhile
        return None
