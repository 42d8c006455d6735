"""Who has waited for so long that it goes ahead of all others."""

from bisect import bisect_left, insort
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Protocol

from scheduling.longest_wait import LongestWait
from scheduling.nodes.cluster_size import PlatformSize
from scheduling.nodes.profile import FOREVER
from scheduling.planning.ordering import TWICE
from scheduling.policies.responsive import earlier_if_wide, learned_bound
from scheduling.resources import Request
from simulator.counting.pool_job import Place, PoolJob

AHEAD = -1
"""What the places of those begin with that go ahead; those of all others begin with more."""
EARLY = 1.0
"""A job is looked at so many seconds before its bound: the sum that says when may be rounded up."""


class Overdue(Protocol):
    """Knows all that wait, and says who of them goes ahead."""

    def add(self, job: PoolJob) -> None:
        """The job waits from now on."""

    def change(self, job: PoolJob) -> None:
        """Something else is expected of the job of that number than before."""

    def start(self, job: PoolJob, now: float) -> None:
        """The job waits no more."""

    def ahead(self, now: float) -> Mapping[int, Place]:
        """The places of those that go ahead now, by number."""


class BoundedOverdue:
    """The oldest of those that have waited for their own bounds go ahead, so many at a time."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._young: list[tuple[float, int]] = []  # when each is due, and its number
        self._waiting: dict[int, PoolJob] = {}  # those that have a bound
        self._old: list[tuple[float, int]] = []  # those due by now or in a moment, first come first served

    def add(self, job: PoolJob) -> None:
        if job.bound < FOREVER:
            self._waiting[job.number] = job
            heappush(self._young, (job.submitted_at + job.bound - EARLY, job.number))

    def change(self, job: PoolJob) -> None:
        """A bound of its own does not depend on what is expected."""

    def start(self, job: PoolJob, now: float) -> None:  # noqa: ARG002 - it does not matter when
        if self._waiting.pop(job.number, None) is not None:
            entry = (job.submitted_at, job.number)
            at = bisect_left(self._old, entry)
            if at < len(self._old) and self._old[at] == entry:
                del self._old[at]

    def ahead(self, now: float) -> Mapping[int, Place]:
        """Who waited for twice the bound first, then who came first."""
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


class LearnedOverdue:
    """The oldest of those go ahead that have waited for what the policy `responsive` learns: from who has started, and who waits."""

    def __init__(self, places: int, processors: int) -> None:
        self._places = places
        self._size = PlatformSize(cpus=processors)
        self._longest_wait = LongestWait()
        self._waiting: dict[int, tuple[float, int]] = {}  # the part of the pool that each asks for, and its work
        self._oldest: list[tuple[float, int]] = []  # all that wait, first come first served
        self._work = 0

    def add(self, job: PoolJob) -> None:
        request = Request(cpus=job.width)
        work = self._size.work(request, job.expected)
        self._waiting[job.number] = (self._size.part_of(request), work)
        self._work += work
        insort(self._oldest, (job.submitted_at, job.number))

    def change(self, job: PoolJob) -> None:
        part, before = self._waiting[job.number]
        work = self._size.work(Request(cpus=job.width), job.expected)
        self._waiting[job.number] = (part, work)
        self._work += work - before

    def start(self, job: PoolJob, now: float) -> None:
        _, work = self._waiting.pop(job.number)
        self._work -= work
        del self._oldest[bisect_left(self._oldest, (job.submitted_at, job.number))]
        self._longest_wait = self._longest_wait.with_start(now - job.submitted_at, now)

    def ahead(self, now: float) -> Mapping[int, Place]:
        """Who came first."""
        bound = learned_bound(self._longest_wait.seconds_at(now), self._size.seconds_for([self._work]))
        least = earlier_if_wide(bound, 1.0)
        found: dict[int, Place] = {}
        for submitted_at, number in self._oldest:
            waited = now - submitted_at
            if waited < least or len(found) >= self._places:
                break
            if waited >= earlier_if_wide(bound, self._waiting[number][0]):
                found[number] = (AHEAD, submitted_at, number)
        return found
