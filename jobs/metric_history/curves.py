"""What a job reported over time, as one curve for each metric: over all its attempts, or of one."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from django.db.models import QuerySet, Sum

from jobs.models import Attempt, Job
from jobs.models.metrics import MetricSeries, ReportMark
from scheduling.errors import NotFoundError
from workers.runtime.series import counts_up, kept_points

LATEST_ATTEMPTS = 50
"""A curve over all attempts of a job looks at so many of them."""
POINTS = 200
FEWEST_POINTS = 10


class Point(NamedTuple):
    """One value: at which step, if the job counts them, when (seconds since 1970), and by which attempt."""

    step: float | None
    time: float
    value: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Curve:
    """One metric of a job. `count` values were reported in all; `least` and `greatest` are None where no value is a number."""

    name: str
    over_steps: bool
    count: int
    points: tuple[Point, ...]

    @property
    def last(self) -> float:
        return self.points[-1].value

    @property
    def finite(self) -> list[float]:
        return [point.value for point in self.points if math.isfinite(point.value)]

    @property
    def least(self) -> float | None:
        return min(self.finite, default=None)

    @property
    def greatest(self) -> float | None:
        return max(self.finite, default=None)


def names(job: Job, *, attempt: int | None = None) -> list[str]:
    """The metrics that the job has reported as numbers, in order."""
    return list(_rows(job, attempt).order_by("name").values_list("name", flat=True).distinct())


def refused(job: Job, *, attempt: int | None = None) -> int:
    """How many lines and values of its reports could not be used."""
    marks = ReportMark.objects.filter(attempt__in=_attempts(job, attempt))
    return marks.aggregate(refused=Sum("refused"))["refused"] or 0


def curves(
    job: Job, *, names: Sequence[str] | None = None, attempt: int | None = None, points: int = POINTS
) -> Iterator[Curve]:
    """The curves in the order of their names, thinned to so many points; of the latest attempts or of that one."""
    rows = _rows(job, attempt).select_related("attempt").order_by("name", "attempt__number")
    if names is not None:
        rows = rows.filter(name__in=names)
    for name, group in groupby(rows.iterator(chunk_size=LATEST_ATTEMPTS), key=attrgetter("name")):
        yield curve(name, list(group), points)


def require_attempt(job: Job, number: int | None) -> None:
    """Raises NotFoundError for an attempt that never was."""
    if number is not None and not job.attempts.filter(number=number).exists():
        raise NotFoundError(f"Job {job.pk} has no attempt {number}.")


def curve(name: str, rows: Sequence[MetricSeries], most: int) -> Curve:
    """The series of a metric, one for each attempt, as one curve.

    Where every attempt counts steps, a later attempt goes on from the step of its checkpoint: what an earlier one
    reported from that step on was done again, and does not count. Otherwise the curve is drawn over time.
    """
    over_steps = all(counts_up(row.steps) for row in rows)
    points: list[Point] = []
    for row in rows:
        if over_steps:
            points = [point for point in points if (point.step or 0) < row.steps[0]]
        points += _points(row)
    return Curve(name, over_steps, sum(row.count for row in rows), tuple(_thinned(points, over_steps, most)))


def _points(row: MetricSeries) -> list[Point]:
    columns = zip(row.steps, row.times, row.values, strict=True)
    return [Point(None if math.isnan(step) else step, at, value, row.attempt.number) for step, at, value in columns]


def _thinned(points: list[Point], over_steps: bool, most: int) -> list[Point]:
    """At most so many, ends and extremes among them."""
    if len(points) <= most:
        return points
    where = [point.step or 0 if over_steps else point.time for point in points]
    values = [point.value for point in points]
    gaps = not all(map(math.isfinite, values))
    places = kept_points(where, values, (most - 2) // (3 if gaps else 2))
    return [points[place] for place in places]


def _rows(job: Job, attempt: int | None) -> QuerySet[MetricSeries]:
    return MetricSeries.objects.filter(attempt__in=_attempts(job, attempt))


def _attempts(job: Job, attempt: int | None) -> QuerySet[Attempt]:
    if attempt is not None:
        return job.attempts.filter(number=attempt)
    return job.attempts.filter(number__gt=job.attempt - LATEST_ATTEMPTS)
