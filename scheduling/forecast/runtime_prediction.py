"""How long a job will run, learned online from the run times of jobs that have ended.

The expected run time is the mean of the last two jobs of the same kind, as Tsafrir, Etsion and Feitelson found best
("Backfilling using system-generated predictions rather than user runtime estimates", TPDS 2007). It is an opinion, to
order jobs and to say when they may end; a job is stopped by its limit alone.
"""

import json
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice, repeat
from typing import Self

from scheduling.errors import FieldError, InvalidError

REMEMBERED = 20
"""How many jobs a key remembers: enough for the quantiles, little enough for one row of a database."""

PROJECT = "project"

RECENT = 2
"""How many of them make the expected run time. Longer means react too late."""

TAIL = 0.1
"""The part of the run times below the interval, and the part above it."""

STEPS = (60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 18_000.0, 36_000.0, 72_000.0, 180_000.0, 360_000.0)
"""By how many seconds a prediction grows each time that a job outlives it, as in the paper above; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of a job before it runs. An empty text and a limit of None mean unknown."""

    project: str
    owner: str = ""
    template: str = ""  # what it runs: a name, or a digest of the command
    shape: str = ""  # how much it asks for
    hardware: str = ""  # on what
    limit_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """A run time in seconds, and the interval in which four of five such jobs end. `source` is whose jobs were asked."""

    expected: float
    low: float
    high: float
    source: str  # template, owner or project

    @property
    def is_own(self) -> bool:
        """Whether the owner's own jobs say so. What is usual in a project foretells a start, and orders no line."""
        return self.source != PROJECT


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A job that ended: how long it ran, and what part of its limit that was, if it had one."""

    run_seconds: float
    ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose jobs are asked: the key of their record, and how many of them must have ended before they are believed."""

    source: str
    key: str
    needed: int


def scopes_of(traits: Traits) -> tuple[Scope, ...]:
    """The scopes of a job, the most specific first. Their keys are all that a prediction for it can depend on."""
    scopes = [_scope(PROJECT, 1, traits.project)]
    if traits.owner:
        scopes.insert(0, _scope("owner", RECENT, traits.project, traits.owner))
    if traits.template:
        said = (traits.project, traits.owner, traits.template, traits.shape, traits.hardware)
        scopes.insert(0, _scope("template", RECENT, *said))
    return tuple(scopes)


class History:
    """The last run times of each key. Mutable: `observe` each job that came to its own end, then ask with `predict`.

    A job that was preempted, cancelled or lost with its node says nothing of how long its kind runs: leave it out.
    """

    def __init__(self) -> None:
        self._records: dict[str, deque[FinishedRun]] = {}

    def observe(self, traits: Traits, run_seconds: float) -> None:
        """Learn from a job that ran so long. Forgets the oldest job of each of its keys when there are too many."""
        _refuse_bad_run(run_seconds)
        outcome = FinishedRun(float(run_seconds), _ratio(run_seconds, _limit_of(traits)))
        for scope in scopes_of(traits):
            self._record(scope.key).append(outcome)

    def predict(self, traits: Traits) -> Prediction | None:
        """What the most specific scope with enough jobs says, never beyond the job's limit. None if nothing is known."""
        limit = _limit_of(traits)
        for scope in scopes_of(traits):
            outcomes = self._records.get(scope.key, ())
            if len(outcomes) >= scope.needed:
                return _prediction(tuple(outcomes), limit, scope.source)
        return None

    def expect(self, traits: Traits) -> float | None:
        """The run time that `predict` expects, where the owner's own jobs say so; without the interval it is soon found."""
        for scope in scopes_of(traits):
            outcomes = self._records.get(scope.key, ())
            if scope.source != PROJECT and len(outcomes) >= scope.needed:
                return _expected(tuple(outcomes), _ceiling(_limit_of(traits)))
        return None

    def as_data(self) -> dict[str, list[list[float | None]]]:
        """Each key with its jobs as [run time, part of the limit], the oldest first: plain data, one row a key."""
        return {key: [[one.run_seconds, one.ratio] for one in record] for key, record in self._records.items()}

    @classmethod
    def from_data(cls, data: Mapping[str, Iterable[Sequence[float | None]]]) -> Self:
        """The history that `as_data` wrote, or a part of it: the keys of a job are enough to predict or observe it."""
        history = cls()
        for key, rows in data.items():
            history._record(key).extend(_outcome(key, row) for row in rows)
        return history

    def _record(self, key: str) -> deque[FinishedRun]:
        return self._records.setdefault(key, deque(maxlen=REMEMBERED))


def corrected(prediction: Prediction, ran_seconds: float, limit_seconds: float | None = None) -> Prediction:
    """The prediction for a job that still runs after `ran_seconds`: longer than that, unless its limit comes first.

    It grows in steps, small ones first, so that a job that is a little late is not taken for a very long one.
    """
    limit = math.inf if limit_seconds is None else limit_seconds
    expected = min(prediction.expected, limit)
    steps = chain(islice(STEPS, len(STEPS) - 1), repeat(STEPS[-1]))
    while expected <= ran_seconds and expected < limit:
        expected = min(expected + next(steps), limit)
    low = min(max(prediction.low, ran_seconds), expected)
    return replace(prediction, expected=expected, low=low, high=min(max(prediction.high, expected), limit))


@dataclass(slots=True)
class ErrorTally:
    """How good predictions were. Mutable: `add` each one when its job ends. Figures are None before the first."""

    count: int = 0
    absolute_seconds: float = 0.0
    under: int = 0
    alike: float = 0.0
    inside: int = 0

    def add(self, prediction: Prediction, run_seconds: float) -> None:
        expected = prediction.expected
        longer = max(expected, run_seconds)
        self.count += 1
        self.absolute_seconds += abs(expected - run_seconds)
        self.under += expected < run_seconds
        self.alike += min(expected, run_seconds) / longer if longer > 0 else 1.0
        self.inside += prediction.low <= run_seconds <= prediction.high

    @property
    def accuracy(self) -> float | None:
        """The mean of the shorter of the two, predicted and true, over the longer one: 1 is perfect."""
        return self._mean(self.alike)

    def _mean(self, total: float) -> float | None:
        return total / self.count if self.count else None


@lru_cache(maxsize=4096)
def _scope(source: str, needed: int, *said: str) -> Scope:
    return Scope(source, json.dumps([source, *said]), needed)


def _prediction(outcomes: Sequence[FinishedRun], limit: float | None, source: str) -> Prediction:
    """From strangers' jobs only the part of the limit that they used is taken over, where the limits are known."""
    ceiling = _ceiling(limit)
    runs = [_run_under(limit, one) if source == PROJECT else min(one.run_seconds, ceiling) for one in outcomes]
    recent = runs[-RECENT:]
    expected = min(sum(recent) / len(recent), ceiling) if source == PROJECT else _expected(outcomes, ceiling)
    low, high = _interval(sorted(runs), limit)
    return Prediction(expected, min(low, expected), max(high, expected), source)


def _expected(outcomes: Sequence[FinishedRun], ceiling: float) -> float:
    """Capped after the mean is taken: one long run says that the next may be long, even under a short limit."""
    recent = [one.run_seconds for one in outcomes[-RECENT:]]
    return min(sum(recent) / len(recent), ceiling)


def _ceiling(limit: float | None) -> float:
    return math.inf if limit is None else limit


def _run_under(limit: float | None, outcome: FinishedRun) -> float:
    if limit is None:
        return outcome.run_seconds
    return min(outcome.run_seconds, limit) if outcome.ratio is None else outcome.ratio * limit


def _interval(runs: Sequence[float], limit: float | None) -> tuple[float, float]:
    """The quantiles of a next run time (ranks of n + 1). Few runs say nothing of the tails: then nought and the limit."""
    rank = math.floor(TAIL * (len(runs) + 1))
    if rank == 0:
        return 0.0, runs[-1] if limit is None else limit
    return runs[rank - 1], runs[-rank]


def _ratio(run_seconds: float, limit: float | None) -> float | None:
    return None if limit is None else min(run_seconds / limit, 1.0)


def _limit_of(traits: Traits) -> float | None:
    limit = traits.limit_seconds
    if limit is not None and not 0 < limit < math.inf:
        raise _invalid("limit_seconds", "A number of seconds above 0, or None for a job without a limit.")
    return limit


def _refuse_bad_run(run_seconds: float) -> None:
    if not 0 <= run_seconds < math.inf:
        raise _invalid("run_seconds", "A number of seconds, 0 or more.")


def _outcome(key: str, row: Sequence[float | None]) -> FinishedRun:
    match list(row):
        case [float() | int() as run_seconds, ratio]:
            return FinishedRun(float(run_seconds), None if ratio is None else float(ratio))
    raise _invalid(key, "A list of [run seconds, part of the limit or null], as as_data writes it.")


def _invalid(field: str, message: str) -> InvalidError:
    return InvalidError([FieldError(field, message)])
