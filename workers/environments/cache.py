"""Environments that a node has built, for the next job: each whole or not there, and closed to whoever built it.

What is used longest ago goes first where there is too much, and nothing that is in use. One is ready when its mark lies
beside it, which is written last; what has no mark when the agent starts was being built when the one before ended.
"""

import contextlib
import json
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workers.runtime import folder_removal
from workers.runtime.process import replace_file

MARK, PREFIX = "ready.json", "env"
DOWNLOADS = "downloads"
KEPT_WHEN_TRIMMED = 0.9


class StrangeFileError(Exception):
    """Something in an environment is not its builder's: it could be anybody's file under another name."""


class _Kept(NamedTuple):
    used_at: float
    size: int
    folder: Path


class EnvironmentCache:
    """The environments below one folder; safe to use from any thread of one process."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._held: Counter[str] = Counter()
        self._building: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def downloads(self) -> Path:
        """What the builder keeps for further builds, where all of them are by the agent's own user."""
        return self._folder / DOWNLOADS

    def start(self) -> None:
        """Make room for it, and remove what was half built or half removed."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._folder.chmod(0o711)
        for entry in self._folder.iterdir():
            if entry.name != DOWNLOADS and not (entry / MARK).is_file():
                remove(entry)

    def prefix(self, key: str) -> Path:
        """Where the environment is, or is to be: it never moves, as its programs name it."""
        return self._folder / key / PREFIX

    def hold(self, key: str) -> None:
        """From now on it is in use, once more."""
        with self._lock:
            self._held[key] += 1

    def release(self, key: str) -> None:
        with self._lock:
            self._held.subtract([key])
            self._held = +self._held

    def is_ready(self, key: str) -> bool:
        """Whether it is there, whole; a look counts as a use."""
        try:
            os.utime(self._folder / key / MARK)
        except OSError:
            return False
        return True

    def lock_of(self, key: str) -> threading.Lock:
        """Whoever has it may build it."""
        with self._lock:
            return self._building.setdefault(key, threading.Lock())

    def begin(self, key: str) -> Path:
        """An empty place for it; whatever was there goes."""
        remove(self._folder / key)
        prefix = self.prefix(key)
        (self._folder / key).mkdir(mode=0o755)
        (self._folder / key).chmod(0o755)
        prefix.mkdir(mode=0o700)
        return prefix

    def complete(self, key: str, *, builder: int, words: str) -> None:
        """It was built by this user, of whom nothing runs any more: seal it, and from now on it is there.

        Raises StrangeFileError, and OSError.
        """
        size = seal(self.prefix(key), builder)
        replace_file(self._folder / key / MARK, json.dumps({"size": size, "of": words, "built_at": time.time()}))

    def discard(self, key: str) -> None:
        remove(self._folder / key)

    def trim(self, *, everything: bool = False) -> None:
        """Throw out what was used longest ago, until there is no more than the limit; `everything`: that nobody uses."""
        with self._lock:
            kept = sorted(self._all())
            downloads = size_of(self.downloads)
            size = sum(one.size for one in kept) + downloads
            if size <= self._limit and not everything:
                return
            if downloads:
                remove(self.downloads)
                size -= downloads
            goal = 0 if everything else self._limit * KEPT_WHEN_TRIMMED
            for one in kept:
                if size <= goal:
                    return
                if one.folder.name not in self._held:
                    remove(one.folder)
                    size -= one.size

    def _all(self) -> Iterator[_Kept]:
        for mark in self._folder.glob(f"*/{MARK}"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                yield _Kept(mark.stat().st_mtime, int(json.loads(mark.read_text())["size"]), mark.parent)


def seal(folder: Path, builder: int) -> int:
    """Make all of it the agent's own, to be read by all and written by nobody; returns its size in bytes.

    A file of another user's could only be there as a second name of it, and is not opened to all by that.
    """
    size = 0
    for _, folders, files, here in os.fwalk(folder, topdown=False, follow_symlinks=False):
        for name in (*files, *folders):
            status = os.stat(name, dir_fd=here, follow_symlinks=False)
            _seal_one(name, status, builder, here)
            size += status.st_size
    _seal_one(str(folder), folder.lstat(), builder, None)
    return size


def _seal_one(name: str, status: os.stat_result, builder: int, here: int | None) -> None:
    second_name = status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
    if status.st_uid != builder and (second_name or status.st_uid != os.geteuid()):
        raise StrangeFileError(f"{name} in the environment is a file of user {status.st_uid}.")
    if status.st_uid != os.geteuid():
        os.chown(name, os.geteuid(), os.getegid(), dir_fd=here, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        return
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise StrangeFileError(f"{name} in the environment is neither a file nor a folder.")
    executable = stat.S_ISDIR(status.st_mode) or status.st_mode & 0o111
    os.chmod(name, 0o555 if executable else 0o444, dir_fd=here)


def size_of(folder: Path) -> int:
    found = 0
    if not folder.is_dir():
        return found
    for _, _, files, here in os.fwalk(folder, follow_symlinks=False):
        for name in files:
            with contextlib.suppress(OSError):
                found += os.stat(name, dir_fd=here, follow_symlinks=False).st_size
    return found


def remove(folder: Path) -> None:
    """Its mark first: what is half removed is not ready."""
    with contextlib.suppress(OSError):
        (folder / MARK).unlink()
    if folder.is_dir() and not folder.is_symlink():
        folder_removal.remove(folder.parent, folder.name)
    else:
        folder.unlink(missing_ok=True)
