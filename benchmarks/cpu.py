"""Processor time of the platform's processes, by role."""

from collections import defaultdict

import psutil

from benchmarks.stack import SERVICES, Stack


class CpuMeter:
    """Counts from its making on. The processes that an agent started and saw end are its `jobs`, shims included."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._before = _used(stack)

    def used(self) -> dict[str, float]:
        """Seconds since the meter was made."""
        return {name: seconds - self._before.get(name, 0) for name, seconds in _used(self._stack).items()}


def _used(stack: Stack) -> dict[str, float]:
    seconds: dict[str, float] = defaultdict(float)
    for name, process in stack.processes.items():
        times = process.cpu_times()
        own, ended = times.user + times.system, times.children_user + times.children_system
        if name in SERVICES:
            alive = sum(_own(child) for child in process.children(recursive=True))
            seconds[name] += own + ended + alive
        else:
            seconds["agent"] += own
            seconds["jobs"] += ended
    return seconds


def _own(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0
    return float(times.user + times.system)
