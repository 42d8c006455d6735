"""The processes of one command, found from outside: for when its shim is no longer there to look after them."""

import contextlib
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.runtime.shim.processes import all_children, descendants, send, stat_fields

MARKER = "TRAINYARD_SHIM_FOLDER"
KILL_WAIT_SECONDS = 10.0


def is_running(pid: int, start: int) -> bool:
    """Whether the process that started at `start` runs still under this id; a zombie does not."""
    try:
        fields = stat_fields(pid)
        return int(fields[19]) == start and fields[0] not in "ZX"
    except (OSError, IndexError):
        return False


def kill(folder: Path, status: Mapping[str, Any] | None) -> None:
    """SIGKILL until no process of the command in `folder` is left, for ten seconds at most."""
    give_up = time.monotonic() + KILL_WAIT_SECONDS
    pause = 0.001
    while (alive := members(folder, status)) and time.monotonic() < give_up:
        for pid in alive:
            send(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 2, 0.1)


def members(folder: Path, status: Mapping[str, Any] | None) -> list[int]:
    """Every living process that bears the command's mark, is in its session, or descends from one of these."""
    mark = f"{MARKER}={folder}".encode()
    session = status["pid"] if status and is_running(status["pid"], status["pid_start"]) else None
    children = all_children()
    roots = [pid for pids in children.values() for pid in pids if is_marked(pid, mark) or session_of(pid) == session]
    return [pid for pid in {*roots, *descendants(roots, children)} if is_alive(pid)]


def is_marked(pid: int, mark: bytes) -> bool:
    """The environment passes to every child, whatever session or parent it takes."""
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def session_of(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError):
        return int(stat_fields(pid)[3])
    return -1


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError, IndexError):
        return stat_fields(pid)[0] not in "ZX"
    return False
