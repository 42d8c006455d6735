"""Processor time of the platform's processes, by role."""

from collections import defaultdict

import psutil

from benchmarks.stack import SERVICES, Stack


class CpuMeter:
    """Counts from its making on. Shims and their commands are not in it: the system reaps them, and nobody is told."""

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
        own = times.user + times.system
        if name in SERVICES:
            alive = sum(_own(child) for child in process.children(recursive=True))
            seconds[name] += own + times.children_user + times.children_system + alive
        else:
            seconds["agent"] += own
    return seconds


def _own(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0
    return float(times.user + times.system)
