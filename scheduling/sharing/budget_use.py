"""What becomes of a budget in its period: what is spent, what runs may use up to its limits, and what is expected of all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

from scheduling.resources import Request
from scheduling.sharing.budgets import Meter, period_at, spent_in
from scheduling.sharing.periods import Span
from scheduling.snapshot import BudgetView, ProjectView, RunningJob, Snapshot, chain_of


class BudgetUse(NamedTuple):
    """In millionths of the budget's unit. `accrued` is what runs has used of `committed` so far."""

    spent: int
    committed: int
    accrued: int
    forecast: int


class BudgetWarning(StrEnum):
    """What is told of a budget: a part of it that is spent and committed, or that it will probably be overrun."""

    HALF = "50"
    MOST = "80"
    ALL = "100"
    FORECAST = "forecast"


class AlikeWaiting(NamedTuple):
    """So many waiting jobs of a project of which the same is expected: when each starts, and how long it runs."""

    project: str
    request: Request
    start: float
    seconds: float
    number: int


AnyJob = TypeVar("AnyJob", RunningJob, AlikeWaiting)


def warnings_of(use: BudgetUse, amount: int) -> Iterator[BudgetWarning]:
    """All that is to be told when so much is used of this amount."""
    taken = use.spent + use.committed
    for part in (BudgetWarning.HALF, BudgetWarning.MOST, BudgetWarning.ALL):
        if taken and taken * 100 >= int(part) * amount:
            yield part
    if use.forecast > amount:
        yield BudgetWarning.FORECAST


def uses_of(budgets: Iterable[BudgetView], snapshot: Snapshot, waiting: Iterable[AlikeWaiting]) -> list[BudgetUse]:
    """Of each budget in its period now, with what `waiting` is expected to use; who waits in the snapshot is not looked at."""
    uses = _Uses(snapshot, waiting)
    return [uses.of(one) for one in budgets]


class _Uses:
    """What each project's own jobs use: for budgets of one unit and period that is worked out once, however many are above it."""

    def __init__(self, snapshot: Snapshot, waiting: Iterable[AlikeWaiting]) -> None:
        self._now = snapshot.taken_at
        self._meter = Meter(snapshot)
        self._running, self._waiting = _by_project(snapshot.running), _by_project(waiting)
        self._below = _below({*self._running, *self._waiting}, {one.slug: one for one in snapshot.projects})
        self._known: dict[tuple[str, Span, str], tuple[int, int, int]] = {}

    def of(self, budget: BudgetView) -> BudgetUse:
        span = period_at(budget, self._now)
        spent = spent_in(budget, span)
        parts = [self._of_project(budget, span, project) for project in self._below[budget.project]]
        committed, accrued, expected = (sum(column) for column in zip((0, 0, 0), *parts, strict=True))
        return BudgetUse(spent, committed, accrued, spent + expected)

    def _of_project(self, budget: BudgetView, span: Span, project: str) -> tuple[int, int, int]:
        key = (budget.unit, span, project)
        if key not in self._known:
            self._known[key] = self._worked_out(budget, span, project)
        return self._known[key]

    def _worked_out(self, budget: BudgetView, span: Span, project: str) -> tuple[int, int, int]:
        committed = accrued = expected = 0
        for job in self._running[project]:
            latest = self._meter.latest_end(job, self._now)
            ends = (latest, self._now, _expected_end(job, latest, self._now))
            at_most, so_far, probably = self._meter.used_until(budget, job, span, ends, self._now)
            committed, accrued, expected = committed + at_most, accrued + so_far, expected + probably
        for one in self._waiting[project]:
            rate = self._meter.of_request(budget, one.request)
            start, end = max(one.start, self._now), max(one.start, self._now) + one.seconds
            expected += one.number * rate.millionths_over(max(start, span.start), min(end, span.end))
        return committed, accrued, expected


def _by_project(jobs: Iterable[AnyJob]) -> Mapping[str, list[AnyJob]]:
    found: defaultdict[str, list[AnyJob]] = defaultdict(list)
    for job in jobs:
        found[job.project].append(job)
    return found


def _below(spending: Iterable[str], projects: Mapping[str, ProjectView]) -> Mapping[str, list[str]]:
    """By project, which of those that spend anything are it or lie below it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for project in spending:
        for above in chain_of(project, projects):
            found[above.slug].append(project)
    return found


def _expected_end(job: RunningJob, latest: float, now: float) -> float:
    """As was predicted; one that is late may stay up to its limit."""
    return latest if job.predicted_end is None or job.predicted_end <= now else min(job.predicted_end, latest)
