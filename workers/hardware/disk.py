"""Room on the disks that a node writes to. A node whose disk is full starts nothing: half a log and no checkpoint help nobody."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

MIB = 2**20
FEWEST_FILES = 1000
"""With fewer files left to make, a disk counts as full whatever its size."""
RECENT_SECONDS = 10.0
"""A command that failed for want of room often removes on its way out what had filled the disk."""


class Disk:
    """The file systems of these folders together; safe to call from any thread."""

    def __init__(self, folders: Iterable[Path], reserve_mb: float) -> None:
        self._folders = tuple(folders)
        self._reserve_mb = reserve_mb
        self._full_at = float("-inf")
        self._words = ""

    def free_mb(self) -> int:
        """What is left on the fullest of them; nothing where hardly a file can be made any more."""
        return min((writable_mb(folder) for folder in self._folders), default=0)

    def problem(self) -> str:
        """What is wrong now, as a sentence; empty while all is well."""
        free = self.free_mb()
        if free >= self._reserve_mb:
            return ""
        self._full_at = time.monotonic()
        self._words = f"The node's disk is full: {free} MB are left, its reserve is {self._reserve_mb:g} MB."
        return self._words

    def recent_problem(self) -> str:
        """What is wrong, or was a moment ago."""
        recent = time.monotonic() - self._full_at < RECENT_SECONDS
        return self.problem() or (self._words if recent else "")


def writable_mb(folder: Path) -> int:
    """Megabytes that a user without privileges may still write there; 0 for a folder that cannot be asked."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    few_files = found.f_files > 0 and found.f_favail < FEWEST_FILES
    return 0 if few_files else found.f_bavail * found.f_frsize // MIB
