"""The processes of one command, found from outside: used when its shim is no longer there to do it."""

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARKER = "TRAINYARD_SHIM_FOLDER"
KILL_WAIT_SECONDS = 10.0


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; the second may hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()


def start_ticks(pid: int) -> int:
    """When the process started, in ticks since boot, to recognise a reused id; 0 if it is gone."""
    try:
        return int(stat_fields(pid)[19])
    except (OSError, IndexError):
        return 0


def is_running(pid: int, start: int) -> bool:
    """Whether this very process runs still; a zombie does not."""
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
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(pause * 2, 0.1)


def members(folder: Path, status: Mapping[str, Any] | None) -> list[int]:
    """Every living process that bears the command's mark, is in its session, or descends from one of these."""
    mark = f"{MARKER}={folder}".encode()
    session = status["pid"] if status and is_running(status["pid"], status.get("pid_start", 0)) else None
    children: dict[int, list[int]] = {}
    found: list[int] = []
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError, IndexError):
            state, parent, _, its_session = stat_fields(pid)[:4]
            if state in "ZX":
                continue
            children.setdefault(int(parent), []).append(pid)
            if int(its_session) == session or is_marked(pid, mark):
                found.append(pid)
    return with_descendants(found, children)


def is_marked(pid: int, mark: bytes) -> bool:
    """The environment passes to every child, whatever session or parent it takes."""
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def with_descendants(roots: list[int], children: Mapping[int, list[int]]) -> list[int]:
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.append(pid)
            waiting += children.get(pid, [])
    return found
