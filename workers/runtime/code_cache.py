"""Blobs of code that a node keeps for the next job, and private copies of folders made of them.

The cache gives nothing away: what is copied is hashed on its way, so that whatever somebody did to a file of it is found,
forgotten and fetched again. What is used longest ago goes first where there is too much, and nothing that is in use.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from workers.runtime.code_files import CodeFile

TEMPORARY = "incoming"
KEPT_WHEN_TRIMMED = 0.9
FILE, EXECUTABLE = 0o644, 0o755


class SpoiltError(Exception):
    """A blob is not there any more, or not what its name says; it is forgotten, and to be fetched again."""


class _Kept(NamedTuple):
    used_at: float
    size: int
    path: Path


class CodeCache:
    """The blobs below one folder; safe to use from any thread of one process."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._size: int | None = None  # known once somebody has looked

    @contextlib.contextmanager
    def held(self, blobs: Collection[str]) -> Iterator[None]:
        """Meanwhile none of these is thrown out."""
        with self._lock:
            self._held.update(blobs)
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(blobs)
                self._held = +self._held

    def missing(self, blobs: Iterable[str]) -> list[str]:
        return [sha256 for sha256 in blobs if not self._path(sha256).is_file()]

    def add(self, sha256: str, data: bytes) -> None:
        """Keep it. Raises SpoiltError if that is not its hash, OSError where it cannot be written."""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SpoiltError(f"what came as {sha256[:12]} has another hash")
        path, draft = self._path(sha256), self._folder / TEMPORARY / secrets.token_hex(16)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.parent.mkdir(exist_ok=True, mode=0o700)
        try:
            draft.write_bytes(data)
            draft.replace(path)  # whole, or not there
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        with self._lock:
            if self._size is not None:
                self._size += len(data)

    def copy(self, files: Iterable[CodeFile], target: Path, *, stopped: Callable[[], bool] = lambda: False) -> None:
        """Make `target`, which is not there, a private copy of these files; half of one where it is stopped.

        Raises SpoiltError where a blob has to be fetched again, and OSError.
        """
        target.mkdir(mode=0o700)
        links = []
        for file in files:
            if stopped():
                return
            if file.link:
                links.append(file)
            else:
                self._copy_file(file, target / file.path)
        # After all files: nothing was ever written through one of them.
        for link in links:
            (target / link.path).parent.mkdir(parents=True, exist_ok=True)
            (target / link.path).symlink_to(link.link)

    def _copy_file(self, file: CodeFile, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = EXECUTABLE if file.executable else FILE
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(fd, "wb") as copy:
            for part in file.parts:
                copy.write(self._read(part))
            os.fchmod(copy.fileno(), mode)

    def _read(self, sha256: str) -> bytes:
        path = self._path(sha256)
        try:
            data = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            raise SpoiltError(f"{sha256[:12]} is gone from the cache") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            path.unlink(missing_ok=True)
            raise SpoiltError(f"{sha256[:12]} was changed in the cache")
        return data

    def trim(self, also_bytes: int = 0) -> None:
        """Throw out what was used longest ago until there is no more than the limit, and so many bytes more are free."""
        with self._lock:
            if self._size is not None and self._size <= self._limit and not also_bytes:
                return
            kept = sorted(self._all())
            size = sum(one.size for one in kept)
            most = self._limit if size <= self._limit else self._limit * KEPT_WHEN_TRIMMED
            goal = min(most, size - also_bytes)
            for one in kept:
                if size <= goal:
                    break
                if one.path.name not in self._held:
                    one.path.unlink(missing_ok=True)
                    size -= one.size
            self._size = size

    def clear_drafts(self) -> None:
        """Of an agent that was killed."""
        shutil.rmtree(self._folder / TEMPORARY, ignore_errors=True)

    def _all(self) -> Iterator[_Kept]:
        for path in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield _Kept(status.st_mtime, status.st_size, path)

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256
