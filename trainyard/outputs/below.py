"""Files below one folder, written so that nothing lands outside of it: no name climbs, and no link on the way is followed."""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainyard.errors import TrainyardError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """Where one file goes: a name in an open folder, and the name of what is there of it until it is whole."""

    folder: int
    name: str
    draft: str

    def sha256(self, name: str) -> tuple[str, int]:
        """The hash and the size of what is there under this name; raises OSError."""
        digest, size = hashlib.sha256(), 0
        with self.opened(name, os.O_RDONLY) as file:
            while data := os.read(file, READ_BYTES):
                digest.update(data)
                size += len(data)
        return digest.hexdigest(), size

    @contextlib.contextmanager
    def opened(self, name: str, flags: int) -> Iterator[int]:
        """A file of this folder, and never what a link points to. Raises OSError."""
        file = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=self.folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(f"{name} is no file")
            yield file
        finally:
            os.close(file)

    def settle(self, *, executable: bool) -> None:
        """It is whole: from now on it goes by its name, in the place of what was there."""
        if executable:
            with self.opened(self.draft, os.O_RDONLY) as file:
                mode = os.fstat(file).st_mode
                os.fchmod(file, stat.S_IMODE(mode) | (mode & 0o444) >> 2)
        os.replace(self.draft, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)


@contextlib.contextmanager
def target(top: Path, path: str, sha256: str) -> Iterator[Target]:
    """The place of a file below `top`; folders on the way are made. Raises TrainyardError for a path that leads elsewhere."""
    names = path.split("/")
    if any(name in ("", ".", "..") for name in names) or "\0" in path:
        raise TrainyardError(f"{path!r} is no name of a file below a folder: nothing is written there.")
    top.mkdir(parents=True, exist_ok=True)
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)  # it is the caller's own, and may be a link
    try:
        for name in names[:-1]:
            here = _entered(here, name, path)
        yield Target(here, names[-1], f".trainyard-{sha256[:32]}.part")
    finally:
        os.close(here)


def _entered(above: int, name: str, path: str) -> int:
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=above)
        below = os.open(name, FOLDER, dir_fd=above)
    except OSError as error:
        words = f"{path!r} cannot be written: {name!r} on its way is a link or no folder ({error.strerror})."
        raise TrainyardError(words) from error
    os.close(above)
    return below
