"""What a command left in a folder: found and read without following a link, also while somebody plays with the folder.

A name that is no text, a link that leads out, a pipe, and what cannot be read are told, with why they cannot come along.
"""

import contextlib
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
LONGEST_PATH = 4096
NO_TEXT = "Its name is not UTF-8: rename it."
TOO_LONG = "Its path is longer than 4096 bytes."
LEADS_OUT = "It is a link that leads out of the folder."
NO_FILE = "It is no file: a pipe, a socket or a device."
UNREADABLE = "It cannot be read"
EXECUTABLE = 0o100


class Left(NamedTuple):
    """One file below the folder, or a link there. `name` is its path as the file system has it, `fault` why it stays."""

    name: bytes
    size: int = 0
    modified_ns: int = 0
    executable: bool = False
    link: str = ""
    fault: str = ""

    @property
    def path(self) -> str:
        """In words; of a name that is no text, as well as that can be written."""
        return self.name.decode(errors="backslashreplace")


def opened(top: Path, *names: str) -> int:
    """A folder below `top`, which is the operator's own, and no link below it is followed. Raises OSError."""
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _opened_below(folder, [os.fsencode(name) for name in names])
    finally:
        os.close(folder)


def found(folder: int) -> Iterator[Left]:
    """All that is below, folder by folder in order. Folders themselves are told only where they cannot be read."""
    folders = [b""]
    while folders:
        here = folders.pop()
        try:
            below = _opened_below(folder, here.split(b"/") if here else [])
        except OSError as error:
            yield Left(here, fault=f"{UNREADABLE}: {error.strerror}.")
            continue
        try:
            inner = []
            for name in sorted(os.fsencode(each) for each in os.listdir(below)):  # noqa: PTH208  of an open folder
                path = b"/".join(filter(None, (here, name)))
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    status = os.stat(name, dir_fd=below, follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode) and len(path) <= LONGEST_PATH:
                        inner.append(path)
                    else:
                        yield _left(path, name, below, status)
            folders += reversed(inner)
        finally:
            os.close(below)


def _opened_below(folder: int, names: Sequence[bytes]) -> int:
    """The folder below, no link on the way to it followed. Raises OSError."""
    here = os.dup(folder)
    for name in names:
        try:
            below = os.open(name, FOLDER, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def _left(path: bytes, name: bytes, here: int, status: os.stat_result) -> Left:
    one = Left(path, status.st_size, status.st_mtime_ns, bool(status.st_mode & EXECUTABLE))
    if len(path) > LONGEST_PATH:
        return one._replace(fault=TOO_LONG)
    try:
        text = path.decode()
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(name, dir_fd=here).decode()
            return one._replace(size=0, link=target, fault=LEADS_OUT if leads_out(text, target) else "")
    except UnicodeDecodeError:
        return one._replace(fault=NO_TEXT)
    return one if stat.S_ISREG(status.st_mode) else one._replace(size=0, fault=NO_FILE)


def leads_out(path: str, target: str) -> bool:
    """Whether a link at `path` points to something that is not below the folder."""
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return posixpath.isabs(target) or reached == ".." or reached.startswith("../")


@contextlib.contextmanager
def opened_file(folder: int, name: bytes) -> Iterator[int]:
    """A file below the folder, to read; no link on the way is followed. Raises OSError."""
    *above, last = name.split(b"/")
    here = _opened_below(folder, above)
    try:
        file = os.open(last, FILE, dir_fd=here)
    finally:
        os.close(here)
    try:
        yield file
    finally:
        os.close(file)
