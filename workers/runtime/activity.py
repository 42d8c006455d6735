"""Whether a command shows a sign of life: it prints, it reports, or its processes use processors, disks or sockets."""

from typing import NamedTuple

from workers.runtime.shim.processes import family, read_text, stat_fields

BUSY_SHARE = 0.05
"""Of one processor: a process that only polls or sleeps in a loop uses less."""
BUSY_BYTES = 64 * 1024
"""Read and written in a second, by system calls."""
TICKS = 100.0  # of /proc/PID/stat a second, on every Linux
SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 30.0


class Use(NamedTuple):
    """What the processes of a command have used since they began."""

    cpu_seconds: float
    io_bytes: int


class Activity:
    """Follows one command that may be without progress for `patience` seconds. Times are on any clock that only goes forward."""

    def __init__(self, patience: float, now: float, seen: object) -> None:
        self._seen = seen
        self._every = min(max(patience / 8, SHORTEST_SECONDS), LONGEST_SECONDS)
        self._looked_at = now
        self._before: Use | None = None

    def check(self, now: float, *, seen: object, root: int) -> bool:
        """Whether there was a sign since the last look. `seen` changes with what it says; `root` is the process above all of its own.

        What processes use is looked at only while it says nothing, and only now and then: /proc is not free.
        """
        if seen != self._seen:
            self._seen, self._before, self._looked_at = seen, None, now
            return True
        if now - self._looked_at < self._every:
            return False
        use, seconds = use_of(root), now - self._looked_at
        before, self._before, self._looked_at = self._before, use, now
        return before is not None and is_busy(before, use, seconds)


def is_busy(before: Use, now: Use, seconds: float) -> bool:
    worked, moved = now.cpu_seconds - before.cpu_seconds, now.io_bytes - before.io_bytes
    return worked >= BUSY_SHARE * seconds or moved >= BUSY_BYTES * seconds


def use_of(root: int) -> Use:
    """Of all processes below `root`, those that have ended included as far as their parents waited for them."""
    pids = family(root)[1:] if root else []
    return Use(_seconds_of(root, pids), sum(map(_io_bytes, pids)))


def cpu_seconds_of(root: int) -> float:
    """The processor time alone, for half of the work."""
    return _seconds_of(root, family(root)[1:]) if root else 0.0


def _seconds_of(root: int, pids: list[int]) -> float:
    return sum(map(_cpu_seconds, pids)) + _children_seconds(root)


def _cpu_seconds(pid: int) -> float:
    return _ticks(pid, 11, 15)


def _children_seconds(root: int) -> float:
    return _ticks(root, 13, 15)


def _ticks(pid: int, first: int, last: int) -> float:
    """Fields 14 to 17 of stat(5): user and system time of the process, and of its children that were waited for."""
    try:
        return sum(map(int, stat_fields(pid)[first:last])) / TICKS
    except (OSError, IndexError, ValueError):
        return 0.0


def _io_bytes(pid: int) -> int:
    try:
        lines = read_text(f"/proc/{pid}/io").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(("rchar", "wchar")))
    except (OSError, IndexError, ValueError):  # of another user, or ended meanwhile
        return 0
