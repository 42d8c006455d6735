"""Who has waited for so long that it goes ahead of all others."""

from bisect import bisect_left, insort
from collections.abc import Mapping
from heapq import heappop, heappush

from scheduling.nodes.profile import FOREVER
from scheduling.planning.ordering import TWICE
from simulator.counting.pool_job import Place, PoolJob

AHEAD = -1
"""What the places of those begin with that go ahead; those of all others begin with more."""
EARLY = 1.0
"""A job is looked at so many seconds before its bound: the sum that says when may be rounded up."""


class Overdue:
    """The oldest of those that have waited for their bounds go ahead, so many at a time."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._young: list[tuple[float, int]] = []  # when each is due, and its number
        self._waiting: dict[int, PoolJob] = {}  # those that have a bound
        self._old: list[tuple[float, int]] = []  # those due by now or in a moment, first come first served

    def add(self, job: PoolJob) -> None:
        if job.bound < FOREVER:
            self._waiting[job.number] = job
            heappush(self._young, (job.submitted_at + job.bound - EARLY, job.number))

    def remove(self, job: PoolJob) -> None:
        """The job waits no more."""
        if self._waiting.pop(job.number, None) is not None:
            entry = (job.submitted_at, job.number)
            at = bisect_left(self._old, entry)
            if at < len(self._old) and self._old[at] == entry:
                del self._old[at]

    def ahead(self, now: float) -> Mapping[int, Place]:
        """The places of those that go ahead now, by number: who waited for twice the bound first, then who came first."""
        while self._young and self._young[0][0] <= now:
            _, number = heappop(self._young)
            if number in self._waiting:
                insort(self._old, (self._waiting[number].submitted_at, number))
        found: dict[int, Place] = {}
        for submitted_at, number in self._old:
            if len(found) >= self._places:
                break
            waited, bound = now - submitted_at, self._waiting[number].bound
            if waited >= bound:
                found[number] = (AHEAD, waited < TWICE * bound, submitted_at, number)
        return found
