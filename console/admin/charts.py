"""A job's metrics as small charts: lines of an SVG, with what a reader who does not see them is told instead."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from jobs.metric_history import curves
from jobs.metric_history.curves import Curve, Point
from jobs.models import Job

CHARTS = 24
POINTS = 120
WIDTH, HEIGHT = 240, 80
INSET = 4
"""Between the line and the edge, so that neither a peak nor a mark is cut."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value was no number."""

    x: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One metric. `path` is in a box of 240 by 80; `seams` are where a later attempt went on."""

    name: str
    last: str
    least: str
    greatest: str
    begins: str
    ends: str
    path: str
    marks: tuple[Mark, ...]
    seams: tuple[float, ...]

    @property
    def sentence(self) -> str:
        """The chart for those who do not see it."""
        gaps = f", {len(self.marks)} of the values drawn are no numbers" if self.marks else ""
        return f"{self.name}: last {self.last}, between {self.least} and {self.greatest}, {self.begins} to {self.ends}{gaps}"


@dataclass(frozen=True, slots=True)
class Charts:
    """The charts of a job, how many metrics have none here, and how much of its reports could not be used."""

    charts: list[Chart]
    left_out: int
    refused: int


def of(job: Job) -> Charts:
    """In a fixed number of queries, whatever the job reported."""
    names = curves.names(job)
    drawn = [draw(curve) for curve in curves.curves(job, names=names[:CHARTS], points=POINTS)]
    return Charts(drawn, max(0, len(names) - CHARTS), curves.refused(job))


def draw(curve: Curve) -> Chart:
    points = curve.points
    across = _scale([_position(point, curve) for point in points], WIDTH)
    up = _scale([value for point in points if math.isfinite(value := point.value)], HEIGHT)
    places = [(across(_position(point, curve)), point) for point in points]
    return Chart(
        name=curve.name,
        last=number(curve.last),
        least=number(curve.least),
        greatest=number(curve.greatest),
        begins=_spell(points[0], curve),
        ends=_spell(points[-1], curve),
        path=" ".join(_strokes([(x, HEIGHT - up(point.value)) for x, point in places])),
        marks=tuple(
            Mark(x, f"{number(point.value)} at {_spell(point, curve)}")
            for x, point in places
            if not math.isfinite(point.value)
        ),
        seams=tuple(x for (_, one), (x, other) in pairwise(places) if other.attempt != one.attempt),
    )


def number(value: float | None) -> str:
    """In up to five digits, as people write it."""
    return "–" if value is None else f"{value:.5g}"


def _position(point: Point, curve: Curve) -> float:
    return (point.step or 0) if curve.over_steps else point.time


def _spell(point: Point, curve: Curve) -> str:
    if curve.over_steps:
        return f"step {point.step or 0:,.15g}"
    return f"{datetime.fromtimestamp(point.time, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _scale(values: Sequence[float], room: float) -> Callable[[float], float]:
    """From the values to the room between the insets; a single value lies in the middle. What is no number stays none."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = high / 2 - low / 2  # halves, as the difference of the two largest numbers would be infinite

    def place(value: float) -> float:
        share = (value / 2 - low / 2) / span if span else 0.5 + 0 * value
        return round(INSET + share * (room - 2 * INSET), 1)

    return place


def _strokes(places: Sequence[tuple[float, float]]) -> Iterator[str]:
    """The line, lifted where there is no number. A number between two gaps is drawn as a dot: a line of no length."""
    pen_down = False
    for place, (x, y) in enumerate(places):
        if not math.isfinite(y):
            pen_down = False
            continue
        yield f"{'L' if pen_down else 'M'}{x:g} {y:g}"
        alone = not pen_down and (place + 1 == len(places) or not math.isfinite(places[place + 1][1]))
        if alone:
            yield f"L{x:g} {y:g}"
        pen_down = True
