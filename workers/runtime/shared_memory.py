"""Shared memory that a command leaves behind where it has none of its own: found, and taken away when nobody uses it.

What was there before the command began is not its own, and what a living process has mapped or open is in use.
"""

import contextlib
import ctypes
import json
from collections.abc import Iterator
from pathlib import Path

from workers.runtime.shim.wall import SHARED_MEMORY

NOTE = "shared-memory.json"
SEGMENTS = Path("/proc/sysvipc/shm")
IPC_RMID = 0
ID, ATTACHED, OWNER = 1, 6, 7
"""Columns of /proc/sysvipc/shm."""


def note(folder: Path) -> None:
    """Write down what there is, before the command begins."""
    (folder / NOTE).write_text(json.dumps({"files": [path.name for path in files()], "segments": segments(None)}))


def sweep(folder: Path, uid: int) -> None:
    """Take away what has come since then, is this user's and in nobody's use."""
    try:
        before = json.loads((folder / NOTE).read_text())
    except (OSError, ValueError):
        return
    new = [path for path in files() if path.name not in before["files"] and owner_of(path) == uid]
    in_use = used_files() if new else set()
    for path in new:
        if str(path) not in in_use:
            with contextlib.suppress(OSError):
                path.unlink()
    for number in segments(uid):
        if number not in before["segments"]:
            ctypes.CDLL(None).shmctl(number, IPC_RMID, None)


def files() -> list[Path]:
    with contextlib.suppress(OSError):
        return [path for path in Path(SHARED_MEMORY).iterdir() if path.is_file() and not path.is_symlink()]
    return []


def owner_of(path: Path) -> int:
    try:
        return path.stat().st_uid
    except OSError:
        return -1


def segments(uid: int | None) -> list[int]:
    """Of System V: all, or those of a user to which no process is attached."""
    try:
        rows = [line.split() for line in SEGMENTS.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [int(row[ID]) for row in rows if uid is None or (int(row[OWNER]) == uid and row[ATTACHED] == "0")]


def used_files() -> set[str]:
    """Paths in shared memory that some process has mapped or open."""
    return {path for process in Path("/proc").iterdir() if process.name.isdigit() for path in used_by(process)}


def used_by(process: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in (process / "maps").read_text(errors="replace").splitlines():
            if SHARED_MEMORY in line:
                yield line[line.index(SHARED_MEMORY) :].removesuffix(" (deleted)")
    with contextlib.suppress(OSError):
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                yield str(entry.readlink())
