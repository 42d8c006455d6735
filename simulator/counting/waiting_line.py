"""Who waits, always in order: nobody is sorted or looked at anew when something happens to others."""

from bisect import bisect_left, insort
from collections.abc import Iterable

from scheduling.rules import Backfill
from simulator.counting.kept_room import KeptRoom
from simulator.counting.pool_job import Place, PoolJob


class _Bucket:
    """Those of one width, in the order of backfilling, and their limits, the shortest first."""

    __slots__ = ("limits", "places")

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.limits: list[float] = []


class WaitingLine:
    """All that wait in line, and in buckets by their width those that may start out of order."""

    def __init__(self, backfill: Backfill) -> None:
        self._backfill = backfill
        self._jobs: dict[int, tuple[PoolJob, Place]] = {}
        self._order: list[Place] = []
        self._buckets: dict[int, _Bucket] = {}
        self._widths: list[int] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, number: int) -> bool:
        return number in self._jobs

    def jobs(self) -> Iterable[PoolJob]:
        return (job for job, _ in self._jobs.values())

    def job(self, number: int) -> PoolJob:
        return self._jobs[number][0]

    def first(self) -> PoolJob:
        """Who is first in line. Somebody must wait."""
        return self._jobs[self._order[0][-1]][0]

    def add(self, job: PoolJob, place: Place) -> None:
        self._jobs[job.number] = (job, place)
        insort(self._order, place)
        if self._backfill is Backfill.NONE:
            return
        bucket = self._buckets.get(job.width)
        if bucket is None:
            bucket = self._buckets[job.width] = _Bucket()
            insort(self._widths, job.width)
        insort(bucket.places, self._in_bucket(job, place))
        insort(bucket.limits, job.limit)

    def remove(self, number: int) -> None:
        job, place = self._jobs.pop(number)
        del self._order[bisect_left(self._order, place)]
        if self._backfill is not Backfill.NONE:
            bucket = self._buckets[job.width]
            del bucket.places[bisect_left(bucket.places, self._in_bucket(job, place))]
            del bucket.limits[bisect_left(bucket.limits, job.limit)]
            if not bucket.places:
                del self._buckets[job.width]
                self._widths.remove(job.width)

    def move(self, job: PoolJob, place: Place) -> None:
        """The job of that number, as wide and with the same limit as before, stands there now."""
        before, old = self._jobs[job.number]
        self._jobs[job.number] = (job, place)
        del self._order[bisect_left(self._order, old)]
        insort(self._order, place)
        if self._backfill is not Backfill.NONE:
            places = self._buckets[job.width].places
            del places[bisect_left(places, self._in_bucket(before, old))]
            insort(places, self._in_bucket(job, place))

    def is_too_full(self, free: int) -> bool:
        """Whether nobody may start out of order in so little."""
        return not self._widths or self._widths[0] > free

    def first_beside(self, kept: KeptRoom, free: int, now: float) -> PoolJob | None:
        """Who is first, in the order of backfilling, of those that may start now beside what is kept."""
        best = None
        for width in self._widths:
            if width > free:
                break
            bucket = self._buckets[width]
            if kept.endless is not None:
                admitted = (place for place in bucket.places if kept.admits(self._jobs[place[-1]][0], now))
                place = next(admitted, None)
            else:
                place = bucket.places[0] if width <= kept.extra else self._first_in_time(bucket, now, kept.moment)
            if place is not None and (best is None or place < best):
                best = place
        return None if best is None else self._jobs[best[-1]][0]

    def in_turn(self, jobs: list[PoolJob]) -> list[PoolJob]:
        """Some of those that wait, in the order of backfilling."""
        if len(jobs) < 2:  # noqa: PLR2004 - one job is in order
            return jobs
        return sorted(jobs, key=lambda job: self._in_bucket(*self._jobs[job.number]))

    def _first_in_time(self, bucket: _Bucket, now: float, moment: float) -> Place | None:
        """The first that is gone by then."""
        if now + bucket.limits[0] > moment:
            return None
        jobs = self._jobs
        return next(place for place in bucket.places if now + jobs[place[-1]][0].limit <= moment)

    def _in_bucket(self, job: PoolJob, place: Place) -> Place:
        return (job.expected, *place) if self._backfill is Backfill.SJBF else place
