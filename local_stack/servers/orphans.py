"""Processes of a stack that was itself killed: recorded as they start, ended before the next one starts."""

import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from local_stack.servers import private_files

PATIENCE_SECONDS = 8.0
# The start time tells a process from another one that got its number later; clocks are corrected by less than this.
CLOCK_SECONDS = 2


@dataclass(frozen=True)
class Recorded:
    """One process that was started here as the leader of its own process group."""

    name: str
    pid: int
    started: float
    stop_signal: int

    @classmethod
    def of(cls, name: str, pid: int, stop_signal: int) -> "Recorded | None":
        """The record of a process that runs; None when it has already ended."""
        try:
            return cls(name, pid, psutil.Process(pid).create_time(), stop_signal)
        except psutil.Error:
            return None

    def is_running(self) -> bool:
        return any(self._members())

    def stop(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, self.stop_signal)

    def kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _members(self) -> Iterator[psutil.Process]:
        """It and its children. While one of them runs, the system gives the number to nobody else."""
        if self._pid_was_reused():
            return
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                if os.getpgid(process.pid) == self.pid and process.status() != psutil.STATUS_ZOMBIE:
                    yield process

    def _pid_was_reused(self) -> bool:
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) > CLOCK_SECONDS
        except psutil.Error:
            return False


def record(path: Path, running: Iterable[Recorded]) -> None:
    private_files.write(path, json.dumps([asdict(one) for one in running], indent=1))


def clear_away(path: Path, *, patience: float = PATIENCE_SECONDS) -> list[str]:
    """End every recorded process that still runs, by its own stop signal, then by SIGKILL. Returns their names."""
    left = [one for one in _read(path) if one.is_running()]
    for one in left:
        one.stop()
    for one in _still_running(left, patience):
        one.kill()
    _still_running(left, patience)
    path.unlink(missing_ok=True)
    return [one.name for one in left]


def _still_running(left: list[Recorded], seconds: float) -> list[Recorded]:
    """Those that still run after at most so long."""
    give_up_at = time.monotonic() + seconds
    while (running := [one for one in left if one.is_running()]) and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return running


def _read(path: Path) -> list[Recorded]:
    try:
        return [Recorded(**one) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []  # nothing recorded, or cut short by a power failure, after which nothing runs
