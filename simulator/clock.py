"""Simulated time: it jumps from one instant at which something happens to the next."""

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from scheduling.nodes.profile import FOREVER
from simulator.cleaning import CleanJob


class Instant(NamedTuple):
    """All that happens at one moment: who arrives, in the trace's order, and whose run ends, in the order of starts."""

    arrivals: list[CleanJob]
    ends: list[int]


class Clock:
    """Knows what comes next: the arrivals from the start, the ends as runs start. Reads no other clock."""

    def __init__(self, arrivals: Sequence[CleanJob]) -> None:
        self.now = arrivals[0].trace.submit_s if arrivals else 0.0
        self._arrivals = arrivals
        self._submits = [*(job.trace.submit_s for job in arrivals), FOREVER]
        self._next = 0
        self._ends: list[tuple[float, int, int]] = []
        self._stamps: dict[int, int] = {}
        self._stamp = 0
        self._wake = FOREVER

    @property
    def arrivals_left(self) -> int:
        """How many are still to come."""
        return len(self._arrivals) - self._next

    def run_until(self, end: float, number: int) -> None:
        """From now on job `number` runs, and will end then."""
        self._stamp += 1
        self._stamps[number] = self._stamp
        heapq.heappush(self._ends, (end, self._stamp, number))

    def stop(self, number: int) -> None:
        """The job does not run any more: its end does not come."""
        del self._stamps[number]

    def wake_at(self, moment: float) -> None:
        """There is an instant then, even if nothing else happens; in place of the one that was asked for before."""
        self._wake = moment

    def advance(self) -> Instant | None:
        """Go to the next instant; None when nothing more will happen."""
        self._forget_the_stopped()
        arrival, end = self._submits[self._next], self._ends[0][0] if self._ends else FOREVER
        now = min(arrival, end, self._wake)
        if now == FOREVER:
            return None
        self.now = now
        if self._wake <= now:
            self._wake = FOREVER
        return Instant(self._arrivals_now() if arrival == now else [], self._ends_now() if end == now else [])

    def _arrivals_now(self) -> list[CleanJob]:
        first = self._next
        while self._submits[self._next] == self.now:
            self._next += 1
        return list(self._arrivals[first : self._next])

    def _ends_now(self) -> list[int]:
        ended = []
        while self._ends and self._ends[0][0] == self.now:
            _, stamp, number = heapq.heappop(self._ends)
            if self._stamps.get(number) == stamp:
                del self._stamps[number]
                ended.append(number)
        return ended

    def _forget_the_stopped(self) -> None:
        while self._ends and self._stamps.get(self._ends[0][2]) != self._ends[0][1]:
            heapq.heappop(self._ends)
