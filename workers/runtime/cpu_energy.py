"""The energy of a machine's processors, shared among the commands that run on it."""

import threading
from collections.abc import Callable, Mapping

from workers.hardware.cpu_energy import Counter, joules_between

LONGEST_LOOK = 60.0
"""In a longer time a counter may have begun anew more than once, and nobody knows what was used."""


class CpuEnergy:
    """Shares all that the packages use among the commands, by the processor time that each used since the last look.

    What they use while no command works is nobody's. Times are in seconds on any clock that only goes forward; every
    method may be called from any thread.
    """

    def __init__(self, read: Callable[[], Mapping[str, Counter]]) -> None:
        self._read = read
        self._looked_at = 0.0
        self._counters: Mapping[str, Counter] = read()
        self.is_there = bool(self._counters)
        self._used: dict[int, float] = {}
        self._lock = threading.Lock()

    def recall(self, one: int, used: float) -> None:
        """A command has used so much processor time before we came."""
        with self._lock:
            self._used[one] = used

    def look(self, now: float, used: Mapping[int, float]) -> dict[int, float] | None:
        """Joules of each command since the last look, by the processor time that it has used altogether by now.

        A command that is new here has used nothing before. None: nobody knows.
        """
        with self._lock:
            before, self._counters = self._counters, self._read()
            known = 0 <= now - self._looked_at <= LONGEST_LOOK
            worked = {one: max(0.0, seconds - self._used.get(one, 0.0)) for one, seconds in used.items()}
            self._looked_at, self._used = now, dict(used)
        joules = joules_between(before, self._counters) if known else None
        if joules is None:
            return None
        total = sum(worked.values())
        return {one: joules * seconds / total if total else 0.0 for one, seconds in worked.items()}
