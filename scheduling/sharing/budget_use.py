"""What becomes of a budget in its period: what is spent, what runs may use up to its limits, and what is expected of all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

from scheduling.run_times import expected_seconds
from scheduling.sharing.budgets import Meter, charges, period_at, spent_in
from scheduling.sharing.periods import Span
from scheduling.snapshot import BudgetView, ProjectView, RunningJob, Snapshot, WaitingJob, chain_of

AnyJob = TypeVar("AnyJob", RunningJob, WaitingJob)


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


def warnings_of(use: BudgetUse, amount: int) -> Iterator[BudgetWarning]:
    """All that is to be told when so much is used of this amount."""
    taken = use.spent + use.committed
    for part in (BudgetWarning.HALF, BudgetWarning.MOST, BudgetWarning.ALL):
        if taken and taken * 100 >= int(part) * amount:
            yield part
    if use.forecast > amount:
        yield BudgetWarning.FORECAST


def uses_of(budgets: Iterable[BudgetView], snapshot: Snapshot, starts: Mapping[int, float]) -> list[BudgetUse]:
    """Of each budget in its period now. Who waits is expected to start then, or else at once, and to run as long as was learned."""
    meter, projects = Meter(snapshot), {one.slug: one for one in snapshot.projects}
    running = _by_project(snapshot.running, projects)
    waiting = _by_project([job for job in snapshot.waiting if not (job.broken or job.held)], projects)
    return [
        _use_of(one, snapshot, starts, meter, running.get(one.project, ()), waiting.get(one.project, ()))
        for one in budgets
    ]


def _by_project(jobs: Iterable[AnyJob], projects: Mapping[str, ProjectView]) -> Mapping[str, list[AnyJob]]:
    """The jobs of each project and of all below it."""
    found: defaultdict[str, list[AnyJob]] = defaultdict(list)
    for job in jobs:
        for project in chain_of(job.project, projects):
            found[project.slug].append(job)
    return found


def _use_of(
    budget: BudgetView,
    snapshot: Snapshot,
    starts: Mapping[int, float],
    meter: Meter,
    running: Sequence[RunningJob],
    waiting: Sequence[WaitingJob],
) -> BudgetUse:
    now, span = snapshot.taken_at, period_at(budget, snapshot.taken_at)

    def used(job: RunningJob, until: float) -> int:
        return meter.used_by(budget, job, span, until, now)

    spent = spent_in(budget, span)
    committed = sum(used(job, meter.latest_end(job, now)) for job in running)
    expected = sum(used(job, _expected_end(job, meter, now)) for job in running)
    expected += sum(_expected(budget, job, snapshot, meter, span, starts.get(job.id, now)) for job in waiting)
    return BudgetUse(spent, committed, sum(used(job, now) for job in running), spent + expected)


def _expected_end(job: RunningJob, meter: Meter, now: float) -> float:
    """As was predicted; one that is late may stay up to its limit."""
    latest = meter.latest_end(job, now)
    return latest if job.predicted_end is None or job.predicted_end <= now else min(job.predicted_end, latest)


def _expected(budget: BudgetView, job: WaitingJob, snapshot: Snapshot, meter: Meter, span: Span, start: float) -> int:
    rate = meter.of_request(budget, job.request)
    found = charges(budget, rate, max(start, snapshot.taken_at), expected_seconds(job, snapshot.rules))
    return sum(one.amount for one in found if one.span == span)
