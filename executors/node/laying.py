"""Files laid out in a new folder from the parts that they consist of, in whatever order these come, each part checked."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from executors.node.site import FetchError
from jobs.code.manifest import PART_BYTES, path_fault
from workers.runtime.left_files import leads_out

FILE, EXECUTABLE = 0o644, 0o755


class SpoiltError(Exception):
    """A part is not what its name says."""


class Laying:
    """`files` are as the site describes them: [path, size, modified_ns, executable, parts, link]."""

    def __init__(self, folder: Path, files: Sequence[Sequence[Any]]) -> None:
        self._folder = folder
        self._files = files
        self._wanted: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self.sizes: dict[str, int] = {}
        for path, size, _, _, parts, link in files:
            if path_fault(path) or (link and leads_out(path, link)) or "" in parts:
                raise FetchError(f"{path!r} is not whole in the storage, or no name of a file", final=True)
            for at, sha256 in enumerate(parts):
                self.sizes[sha256] = min(PART_BYTES, size - at * PART_BYTES)
                self._wanted[sha256].append((path, at * PART_BYTES))
        self._lacking = dict.fromkeys(self.sizes)
        self.size = sum(size for _, size, *_ in files)

    @property
    def lacking(self) -> list[str]:
        """The parts that have not come yet, in the order of the files."""
        return list(self._lacking)

    @property
    def done(self) -> int:
        return len(self.sizes) - len(self._lacking)

    def begin(self) -> None:
        """Make the folder, which is not there yet, and the files in it. Raises OSError."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(mode=0o700)
        for path, _, _, executable, _, link in self._files:
            target = self._folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if not link:
                mode = EXECUTABLE if executable else FILE
                os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode))

    def put(self, sha256: str, data: bytes) -> None:
        """A part that has come. Raises SpoiltError, and OSError."""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SpoiltError(f"what came as {sha256[:12]} has another hash")
        for path, offset in self._wanted[sha256]:
            fd = os.open(self._folder / path, os.O_WRONLY | os.O_NOFOLLOW)
            with os.fdopen(fd, "wb") as file:
                file.seek(offset)
                file.write(data)
        self._lacking.pop(sha256, None)

    def finish(self) -> None:
        """Links, and the times at which all was written: the newest checkpoint is found by these."""
        newest: dict[Path, int] = defaultdict(int)
        for path, _, modified_ns, _, _, link in self._files:
            target = self._folder / path
            if link:
                target.symlink_to(link)
            os.utime(target, ns=(modified_ns, modified_ns), follow_symlinks=False)
            for folder in target.relative_to(self._folder).parents:
                newest[self._folder / folder] = max(newest[self._folder / folder], modified_ns)
        for folder, modified_ns in newest.items():
            os.utime(folder, ns=(modified_ns, modified_ns))
