"""How much the GPUs of one command work, summed up from looks at their load."""

from collections.abc import Sequence

LONGEST_LOOK = 60.0
"""Of a longer time without a look, as while the machine slept, nobody knows what they did."""


class GpuTime:
    """Times are in seconds on any clock that only goes forward; the sums are seconds of one GPU."""

    def __init__(self) -> None:
        self.measured = 0.0
        self.busy = 0.0
        self._looked_at: float | None = None

    def look(self, now: float, percents: Sequence[int]) -> None:
        """So many per cent of its time each of the GPUs works that told; those that told nothing are not measured."""
        before, self._looked_at = self._looked_at, now
        if before is None or not 0 < now - before <= LONGEST_LOOK:
            return
        self.measured += (now - before) * len(percents)
        self.busy += (now - before) * sum(percents) / 100
