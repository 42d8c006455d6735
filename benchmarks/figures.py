"""What was measured, beside what it should be and what a plain Celery did in the same run."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured value. `spread` is its lowest and highest over the repetitions, or over the requests."""

    measure: str
    value: float
    unit: str
    spread: tuple[float, float] | None = None
    at_most: float | None = None
    at_least: float | None = None
    reference: float | None = None
    note: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool | None:
        """Whether the bar was met; None where there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    @property
    def ratio(self) -> float | None:
        """How many times the reference this is."""
        return self.value / self.reference if self.reference else None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def of_repetitions(measure: str, values: Sequence[float], unit: str, **rest: Any) -> Figure:
    """The median of a few repetitions, with the lowest and the highest."""
    details = {"repetitions": list(values), **rest.pop("details", {})}
    return Figure(measure, statistics.median(values), unit, (min(values), max(values)), details=details, **rest)
