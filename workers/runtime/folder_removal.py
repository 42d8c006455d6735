"""Removes a folder with all in it, whatever a job has made of it: links are removed and never followed, no depth is too deep.

Whoever is killed in between leaves it half removed, under a name that says so; the next one goes on.
"""

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

BLOCK_BYTES = 512  # what st_blocks counts in
PREFIX = ".removed-"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OWN = 0o700


class Removal(NamedTuple):
    """What was freed, and whether nothing is left."""

    freed_bytes: int
    complete: bool


def set_aside(home: Path, name: str) -> str | None:
    """From now on the folder has another name, which nobody uses: that. None if it is gone, or is no folder itself.

    Raises OSError if it cannot be moved, as something is mounted there.
    """
    aside = f"{PREFIX}{name}-{secrets.token_hex(4)}"
    with _opened(home) as parent:
        if not _is_folder(parent, name):
            return None
        try:
            os.rename(name, aside, src_dir_fd=parent, dst_dir_fd=parent)
        except FileNotFoundError:  # another agent that shares the folder was first
            return None
    return aside


def left_aside(home: Path) -> list[str]:
    """What was set aside and is not removed yet."""
    with _opened(home) as parent, os.scandir(parent) as entries:
        return sorted(one.name for one in entries if one.name.startswith(PREFIX) and _is_folder(parent, one.name))


def remove(home: Path, aside: str, *, stopped: Callable[[], bool] = lambda: False) -> Removal:
    """Remove what was set aside. What cannot be removed, such as what is mounted in it, stays as it is."""
    with _opened(home) as parent:
        try:
            top = _open_own(parent, aside)
        except OSError:  # others that share the folder were faster, or it is closed to us
            return Removal(0, complete=not _is_folder(parent, aside))
        try:
            freed = _Removing(top, stopped).run()
        finally:
            os.close(top)
        with contextlib.suppress(OSError):
            os.rmdir(aside, dir_fd=parent)
        return Removal(freed, complete=not _is_folder(parent, aside))


class _Removing:
    """Takes one folder after another apart: those in it are moved up to the top first, so that none lies deep any more."""

    def __init__(self, top: int, stopped: Callable[[], bool]) -> None:
        self._top = top
        self._stopped = stopped
        self._freed = 0

    def run(self) -> int:
        folders = self._empty(self._top)
        while folders and not self._stopped():
            name = folders.pop()
            try:
                folder = _open_own(self._top, name)
            except OSError:
                continue
            try:
                before = self._freed
                found = self._empty(folder)
            finally:
                os.close(folder)
            if not self._remove_folder(name) and (found or self._freed != before):
                folders.append(name)  # more came while it was read
            folders += found
        return self._freed

    def _empty(self, folder: int) -> list[str]:
        """Remove the files, and move the folders in it to the top; answers how these are called there."""
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._stopped():
                    break
                with contextlib.suppress(OSError):  # what cannot be removed does not keep us from the rest
                    status = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
                    if not stat.S_ISDIR(status.st_mode):
                        os.unlink(entry.name, dir_fd=folder)
                        self._freed += status.st_blocks * BLOCK_BYTES if status.st_nlink == 1 else 0
                    else:
                        found.append(entry.name if folder == self._top else self._moved_up(folder, entry.name))
        return found

    def _moved_up(self, folder: int, name: str) -> str:
        """Raises OSError for what is mounted there: it is not the job's."""
        short = secrets.token_hex(8)
        _make_own(folder, name)
        os.rename(name, short, src_dir_fd=folder, dst_dir_fd=self._top)
        return short

    def _remove_folder(self, name: str) -> bool:
        try:
            os.rmdir(name, dir_fd=self._top)
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _opened(home: Path) -> Iterator[int]:
    """The folder above, which is the operator's: it may be a link to a large disk."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def _open_own(parent: int, name: str) -> int:
    """The folder, open to us; never what a link points to."""
    _make_own(parent, name)
    return os.open(name, FOLDER, dir_fd=parent)


def _make_own(parent: int, name: str) -> None:
    """A job may have closed its folders, also to itself. Root goes everywhere without that."""
    if os.geteuid() == 0 or not _is_folder(parent, name):
        return
    with contextlib.suppress(OSError):
        if os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode & OWN != OWN:
            os.chmod(name, OWN, dir_fd=parent)


def _is_folder(parent: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False
