"""What a command reported over time: each metric a series of bounded length, however long the command runs.

A series that grows too long is thinned: it keeps its first and its last point and, in each of equally wide stretches
of its axis, the least and the greatest value and the first that is no number. That is the part of M4 (Jugel et al.,
"M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014) which a drawing with one column for a stretch
needs, peaks included. What is kept depends on the points alone, so the same reports give the same series; and since it
depends on where they lie, not on how often they were thinned, the beginning of a long run stays as sharp as its end.
"""

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

CAPACITY = 600
"""Points that one series may have: more than the columns of a chart, and 14 KB."""
STRETCHES = 150
NAMES = 100
"""Metrics that one command may report; further names are left out."""


def numbers() -> "array[float]":
    return array("d")


@dataclass(slots=True)
class Series:
    """The points of one metric in the order in which they came; `steps` are NaN where the command counts none.

    `count` says how many were reported, `times` are seconds since 1970. Values may be NaN and infinite.
    """

    steps: "array[float]" = field(default_factory=numbers)
    times: "array[float]" = field(default_factory=numbers)
    values: "array[float]" = field(default_factory=numbers)
    count: int = 0

    def add(self, *, step: float, time: float, value: float) -> None:
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value)
        self.count += 1
        if len(self.values) > CAPACITY:
            self._keep(kept_points(axis(self.steps, self.times), self.values, STRETCHES))

    def begin_at(self, step: float) -> None:
        """The command counts steps only from now on: what it said before counts as said at the first of them."""
        self.steps = array("d", [step]) * len(self.values)

    def _keep(self, places: Sequence[int]) -> None:
        for name in ("steps", "times", "values"):
            column = getattr(self, name)
            setattr(self, name, array("d", (column[place] for place in places)))


class SeriesSet:
    """All series of one command, by name; `step` is the last that it named. A metric without a step belongs to that one."""

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.step = math.nan
        self.changed: set[str] = set()
        """The names of those that have points which nobody has stored."""

    def note(self, values: Mapping[str, float], *, step: float | None, time: float) -> None:
        """One line of a report; the command says `step` or it does not."""
        if step is not None:
            self._count(step)
        for name, value in values.items():
            self.series.setdefault(name, Series()).add(step=self.step, time=time, value=value)
            self.changed.add(name)

    def _count(self, step: float) -> None:
        if math.isnan(self.step):
            for name, series in self.series.items():
                series.begin_at(step)
                self.changed.add(name)
        self.step = step


def axis(steps: Sequence[float], times: Sequence[float]) -> Sequence[float]:
    """What a series is drawn over: its steps, or the time where it has none, or where they do not only go on."""
    return steps if counts_up(steps) else times


def counts_up(steps: Sequence[float]) -> bool:
    """Whether there are steps that never go back; steps that are not known are NaN."""
    only_on = all(before <= after for before, after in pairwise(steps))
    return only_on and not math.isnan(steps[0])


def kept_points(where: Sequence[float], values: Sequence[float], stretches: int) -> list[int]:
    """The places of the points that stay, in order: at most three for each stretch, and both ends."""
    places = {0, len(values) - 1}
    for stretch in _stretches(where, stretches):
        finite = [place for place in stretch if math.isfinite(values[place])]
        if finite:
            places |= {min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)}
        places |= set([place for place in stretch if not math.isfinite(values[place])][:1])
    return sorted(places)


def _stretches(where: Sequence[float], count: int) -> Iterator[list[int]]:
    """The places by stretches of equal width."""
    low = min(where)
    width = (max(where) - low) / count or 1.0
    found: dict[int, list[int]] = {}
    for place, position in enumerate(where):
        found.setdefault(min(int((position - low) / width), count - 1), []).append(place)
    yield from found.values()
