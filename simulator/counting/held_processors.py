"""Who holds processors, and until when at the latest."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from scheduling.nodes.profile import FOREVER
from scheduling.run_times import late_end
from simulator.counting.pool_job import PoolJob

Release: TypeAlias = tuple[float, int, int]
"""When a job is gone by its limit, its number, and how many processors are free then."""


class _Holder(NamedTuple):
    release: Release
    started_at: float
    assumed: bool


class Shadow(NamedTuple):
    """The earliest moment at which enough is free, and what is left over then.

    `endless`: if no job without a limit had gone by then; None as long as none has outlived what is assumed of such jobs.
    """

    moment: float
    extra: int
    endless: int | None


class HeldProcessors:
    """What is free of a pool, and will be."""

    def __init__(self, processors: int) -> None:
        self.free = processors
        self._holders: dict[int, _Holder] = {}
        self._releases: list[Release] = []  # the earliest first

    def take(self, job: PoolJob, now: float) -> None:
        """The job starts."""
        release = (now + job.limit, job.number, job.width)
        insort(self._releases, release)
        self._holders[job.number] = _Holder(release, now, job.assumed)
        self.free -= job.width

    def give_back(self, number: int) -> None:
        """The job of that number has ended."""
        release = self._holders.pop(number).release
        del self._releases[bisect_left(self._releases, release)]
        self.free += release[2]

    def is_late(self, now: float) -> bool:
        """Whether somebody should have gone by now."""
        return bool(self._releases) and self._releases[0][0] <= now

    def shadow(self, width: int, now: float) -> Shadow:
        """For a job that does not fit now, but would if nothing else ran."""
        there, moment, counted_on = self.free, FOREVER, self.free
        for end, number, freed in self._expected(now):
            if there >= width and end > moment:
                break
            there, moment = there + freed, end
            counted_on += 0 if self._holders[number].assumed else freed
        return Shadow(moment, there - width, counted_on - width if self._outlive_assumed(now) else None)

    def _outlive_assumed(self, now: float) -> bool:
        late = self._releases[: bisect_right(self._releases, (now, FOREVER))]
        return any(self._holders[number].assumed for _, number, _ in late)

    def _expected(self, now: float) -> Sequence[Release]:
        """The releases as they are to be expected now, of those too that should have come already."""
        late = bisect_right(self._releases, (now, FOREVER))
        if not late:
            return self._releases
        later = [(self._late(number, now), number, width) for _, number, width in self._releases[:late]]
        return sorted((*later, *self._releases[late:]))

    def _late(self, number: int, now: float) -> float:
        holder = self._holders[number]
        return late_end(holder.release[0], now, now - holder.started_at if holder.assumed else 0.0)
