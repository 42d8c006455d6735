"""Files by the hashes of their parts, remembered from one submission to the next.

A file counts as unchanged while its size, its times and its inode are what they were. One that was changed only just now
is not remembered: it could change again without its times telling.
"""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from trainyard.code.folder import Found
from trainyard.errors import TrainyardError

KEPT_BYTES = 64 * 1024 * 1024
TRIES = 3
SECOND_NS = 10**9
FINE_NS, COARSE_NS = SECOND_NS // 10, 2 * SECOND_NS
"""How young a change is too young, by whether its file system counts parts of a second."""
READ = os.O_RDONLY | os.O_NOFOLLOW
"""A file that a link has taken the place of since is no file any more."""
Stamp = list[int]


class Hashes:
    """Of one folder. `read` returns what a part holds, of the first ones read without asking the disk again."""

    def __init__(self, cache: Path | None, part_bytes: int) -> None:
        self._cache = cache
        self._part_bytes = part_bytes
        self._known = _load(cache, part_bytes) if cache else {}
        self._fresh: dict[str, list[Any]] = {}
        self._contents: dict[str, bytes] = {}
        self._left = KEPT_BYTES
        self._began = time.time_ns()
        self._places: dict[str, tuple[Found, int]] = {}
        self._held: dict[str, bytes] = {}

    def hold(self, content: bytes) -> list[str]:
        """The hashes of the parts of what lies in no file."""
        parts = []
        for start in range(0, len(content), self._part_bytes):
            part = content[start : start + self._part_bytes]
            parts.append(hashlib.sha256(part).hexdigest())
            self._held[parts[-1]] = part
        return parts

    def parts(self, file: Found) -> tuple[list[str], os.stat_result]:
        """The hashes of its parts, and how it was when they were true; raises TrainyardError for a file that does not stand still, or cannot be read."""
        known = self._known.get(file.path)
        if known is not None and known[0] == stamp(file.status):
            self._fresh[file.path] = known
            parts: list[str] = known[1]
        else:
            file, parts = self._read(file)
        for number, sha256 in enumerate(parts):
            self._places.setdefault(sha256, (file, number))
        return parts, file.status

    def size(self, sha256: str) -> int:
        if sha256 in self._held:
            return len(self._held[sha256])
        file, number = self._places[sha256]
        return min(self._part_bytes, file.status.st_size - number * self._part_bytes)

    def content(self, sha256: str) -> bytes | None:
        """What the part holds; None if its file has changed since it was hashed."""
        if (content := self._held.get(sha256, self._contents.get(sha256))) is not None:
            return content
        file, number = self._places[sha256]
        try:
            with Path(file.file).open("rb") as opened:
                opened.seek(number * self._part_bytes)
                data = opened.read(self._part_bytes)
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def forget(self, sha256: str) -> str:
        """What is known of its file is wrong; returns the file's path."""
        file, _ = self._places[sha256]
        self._known.pop(file.path, None)
        self._fresh.pop(file.path, None)
        self.save()
        return file.path

    def save(self) -> None:
        """For the next time; where that cannot be, the next time is slower."""
        if self._cache is None:
            return
        content = {"part_bytes": self._part_bytes, "files": self._fresh}
        draft = self._cache.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_text(json.dumps(content), encoding="utf-8")
            draft.replace(self._cache)

    def _read(self, file: Found) -> tuple[Found, list[str]]:
        for _ in range(TRIES):
            try:
                before, parts, after = self._read_once(file)
            except OSError as error:
                raise TrainyardError(f"--sync: {file.path!r} cannot be read: {error.strerror}.") from error
            if stamp(before) == stamp(after):
                if self._began - max(after.st_mtime_ns, after.st_ctime_ns) > _too_young(after):
                    self._fresh[file.path] = [stamp(after), parts]
                return file._replace(status=after), parts
        raise TrainyardError(
            f"--sync: {file.path!r} changes all the time: nobody could say what came along. Leave it out."
        )

    def _read_once(self, file: Found) -> tuple[os.stat_result, list[str], os.stat_result]:
        """The hashes of its parts, and how the file was before and after it was read."""
        # Not by `open`: of a small file its buffers and looks take as long as all else.
        opened = os.open(file.file, READ)
        try:
            before = os.fstat(opened)
            parts, left = [], before.st_size
            while left > 0 and (data := _part(opened, min(left, self._part_bytes))):
                left -= len(data)
                sha256 = hashlib.sha256(data).hexdigest()
                parts.append(sha256)
                if len(data) <= self._left and sha256 not in self._contents:
                    self._left -= len(data)
                    self._contents[sha256] = data
            after = os.fstat(opened)
        finally:
            os.close(opened)
        if left:
            after = os.stat_result((*after[:6], -1, *after[7:]))  # it became shorter meanwhile: not what it was
        return before, parts, after


def _part(opened: int, size: int) -> bytes:
    """So many bytes, fewer only where the file ends: a network's file system may give less at once."""
    data = os.read(opened, size)
    while len(data) < size and (more := os.read(opened, size - len(data))):
        data += more
    return data


def stamp(status: os.stat_result) -> Stamp:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _too_young(status: os.stat_result) -> int:
    return FINE_NS if status.st_mtime_ns % SECOND_NS else COARSE_NS


def _load(cache: Path, part_bytes: int) -> dict[str, list[Any]]:
    try:
        content = json.loads(cache.read_bytes())
        files = content["files"] if content["part_bytes"] == part_bytes else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return files if isinstance(files, dict) else {}
