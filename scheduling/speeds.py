"""How fast each type of machine runs each kind of job, learned online from jobs that have ended.

The logarithm of a run time is taken for what the kind usually needs, plus what the type does to it. A type that a kind has
hardly run on is taken to do to it what it does to all kinds together: each estimate is shrunk towards that by `SHRINKAGE`
runs, as a random effect is (James and Stein, 1961; "shrinkage" in any text on mixed models).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

SHRINKAGE = 2.0
"""So many runs of a kind on a type count as much as what is usual there for all kinds."""
REMEMBERED = 20
"""Of a kind on a type so many runs count, the later ones more: jobs change."""
REMEMBERED_OF_ALL = 200
LEAST_SECONDS = 1.0
ALL_KINDS = ""


class Mean(NamedTuple):
    """Of so many logarithms of seconds, or of their differences."""

    runs: int = 0
    value: float = 0.0

    def plus(self, value: float, remembered: int) -> "Mean":
        runs = min(self.runs + 1, remembered)
        return Mean(runs, self.value + (value - self.value) / runs)


NEVER = Mean()


class Expected(NamedTuple):
    """How long a job of a kind runs on a type, times what is expected of it anyway, and after how many runs there."""

    times: float = 1.0
    runs: int = 0


class Speeds:
    """What is known of kinds and types. Mutable: `observe` each job that came to its own end, then ask with `expect`."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Mean]] = {}

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(self._kinds)

    def observe(self, kind: str, hardware: str, seconds: float) -> None:
        """Learn from a job of this kind that ran so long on a machine of this type."""
        needed = math.log(max(seconds, LEAST_SECONDS))
        known = self._kinds.setdefault(kind, {})
        elsewhere = {other: mean for other, mean in known.items() if other != hardware}
        if elsewhere:  # only a kind that runs on several types says how these compare
            usual = self._kinds.setdefault(ALL_KINDS, {})
            effect = needed - self._need(elsewhere)
            usual[hardware] = usual.get(hardware, NEVER).plus(effect, REMEMBERED_OF_ALL)
        known[hardware] = known.get(hardware, NEVER).plus(needed, REMEMBERED)

    def expect(self, kind: str, hardware: str) -> Expected:
        """How much longer a job of the kind runs on this type than such jobs have so far; 1.0 where nothing is known."""
        usual = self.usual(hardware)
        known = self._kinds.get(kind) if kind != ALL_KINDS else None
        if not known:
            return Expected(math.exp(usual - self._mean_usual()))
        here = known.get(hardware, NEVER)
        need = self._need(known)
        own = (here.value - need - usual) * here.runs / (here.runs + SHRINKAGE)
        return Expected(math.exp(need + usual + own - _mean(known.values())), here.runs)

    def usual(self, hardware: str) -> float:
        """What the type does to all kinds together, as a logarithm; 0 where nobody knows."""
        known = self._kinds.get(ALL_KINDS, {}).get(hardware, NEVER)
        return known.value * known.runs / (known.runs + SHRINKAGE)

    def as_data(self) -> dict[str, list[list[str | int | float]]]:
        """By kind, each type with its number of runs and their mean: plain data, one row a kind."""
        return {kind: [[name, *mean] for name, mean in known.items()] for kind, known in self._kinds.items()}

    @classmethod
    def from_data(cls, data: Mapping[str, Iterable[Sequence[str | int | float]]]) -> Self:
        """What `as_data` wrote, or a part of it: a kind, and `ALL_KINDS`, are enough to expect or observe its jobs."""
        found = cls()
        for kind, rows in data.items():
            found._kinds[kind] = {str(name): Mean(int(runs), float(value)) for name, runs, value in rows}
        return found

    def _need(self, known: Mapping[str, Mean]) -> float:
        """How long the kind takes where the type does nothing to it."""
        return _mean(Mean(mean.runs, mean.value - self.usual(name)) for name, mean in known.items())

    def _mean_usual(self) -> float:
        known = self._kinds.get(ALL_KINDS, {})
        return _mean(Mean(mean.runs, self.usual(name)) for name, mean in known.items()) if known else 0.0


def _mean(means: Iterable[Mean]) -> float:
    told = list(means)
    return sum(one.runs * one.value for one in told) / sum(one.runs for one in told)


NOTHING_LEARNED = Speeds()
