"""What budgets allow: what has ended is spent, what runs may use more up to its limit, and the rest is there to start in.

Amounts are whole millionths of a budget's unit, rounded up for each job and period: sums lose nothing, and never say too
little. What runs over the end of a period counts in each period with the part that lies in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import NamedTuple, TypeAlias

from scheduling.resources import WHOLE_GPU, Request
from scheduling.run_times import last_moment
from scheduling.sharing.periods import ONCE, Span, span_at, spans_over
from scheduling.sharing.rates import MILLION, Rate, Rates
from scheduling.snapshot import BudgetView, ProjectView, RunningJob, Snapshot, chain_of

TRIED = 64
"""So many beginnings of periods are tried to find one in which a job could be paid."""
NOTHING = Fraction(0)
InPeriod: TypeAlias = tuple[int, float]
"""A budget, by its id, and the beginning of one of its periods."""


class Unit(StrEnum):
    """In what a budget is counted: the platform's currency, or hours of a GPU, whatever these cost."""

    MONEY = "money"
    GPU_HOURS = "gpu_hours"


class Charge(NamedTuple):
    """What a job may use of a budget in one period."""

    span: Span
    amount: int


class Lack(NamedTuple):
    """A budget that cannot pay a job in one of the periods in which it would run."""

    budget: BudgetView
    span: Span
    committed: int  # to what runs, or starts before it
    kept: Mapping[int, int]  # for which jobs that go first, and how much
    needed: int

    @property
    def spent(self) -> int:
        return spent_in(self.budget, self.span)

    @property
    def over(self) -> int:
        """By how much the budget is too small for it."""
        return self.spent + self.committed + sum(self.kept.values()) + self.needed - self.budget.amount


def period_at(budget: BudgetView, moment: float) -> Span:
    """The budget's period at that moment; the only one of a budget that is there once, whenever that is."""
    if budget.period == ONCE:
        return Span(budget.since or 0.0, budget.until or 0.0)
    return span_at(budget.period, budget.zone, moment)


def periods_over(budget: BudgetView, start: float, end: float) -> Iterator[Span]:
    """The budget's periods of which some part lies between these moments."""
    if budget.period != ONCE:
        yield from spans_over(budget.period, budget.zone, start, end)
    elif (span := period_at(budget, start)).start < end and start < span.end:
        yield span


def renewals(budget: BudgetView, after: float) -> Iterator[float]:
    """When its periods end, one after another."""
    while (end := period_at(budget, after).end) > after:
        yield end
        after = end


def spent_in(budget: BudgetView, span: Span) -> int:
    """As far as anything has ended in that period."""
    return budget.spent if span.start == budget.spent_since else 0


def with_spent(budget: BudgetView, spent: int, moment: float) -> BudgetView:
    """The budget once so much was spent of its period at that moment."""
    return replace(budget, spent=spent, spent_since=period_at(budget, moment).start)


def millionths(amount: Fraction) -> int:
    return ceil(amount * MILLION)


class Meter:
    """How fast jobs use up budgets."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._rates = Rates(snapshot.nodes, snapshot.prices)
        self._assumed_limit = snapshot.rules.assumed_limit_seconds

    def of_request(self, budget: BudgetView, request: Request) -> Rate:
        if budget.unit == Unit.GPU_HOURS:
            return _rate_of_gpus(request.total.all_gpu_milli)
        return self._rates.of_request(request)

    def of_running(self, budget: BudgetView, job: RunningJob) -> list[Rate]:
        """Of each of its shares; where one is not known, what the job could cost at the most."""
        if budget.unit == Unit.GPU_HOURS:
            return [_rate_of_gpus(sum(share.amount.all_gpu_milli for share in job.shares))]
        rates = [self._rates.of_share(share) for share in job.shares]
        if None in rates and job.request is not None:
            return [self._rates.of_request(job.request)]
        return [rate for rate in rates if rate is not None]

    def used_by(self, budget: BudgetView, job: RunningJob, span: Span, until: float, now: float) -> int:
        """What the job uses of the budget within the period, if it runs until then."""
        [used] = self.used_until(budget, job, span, (until,), now)
        return used

    def used_until(
        self, budget: BudgetView, job: RunningJob, span: Span, ends: Iterable[float], now: float
    ) -> list[int]:
        """The same of each of these ends."""
        rates, start = self.of_running(budget, job), max(job.holds_since or now, span.start)
        if len(rates) == 1:
            return [rates[0].millionths_over(start, min(end, span.end)) for end in ends]
        return [millionths(sum((rate.over(start, min(end, span.end)) for rate in rates), NOTHING)) for end in ends]

    def latest_end(self, job: RunningJob, now: float) -> float:
        """Until when it may be paid for: one that was told to stop, until its grace is over."""
        return last_moment(job, now, self._assumed_limit)


@lru_cache(maxsize=1_024)
def _rate_of_gpus(milli: int) -> Rate:
    return Rate.always(Fraction(milli, WHOLE_GPU))


class BudgetRoom:
    """What hard budgets still allow in one planning pass. What starts and what is kept in it count from then on."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.now = now
        self._meter = Meter(snapshot)
        self._projects = {one.slug: one for one in snapshot.projects}
        self._of: dict[str, list[BudgetView]] = {}
        for budget in snapshot.budgets:
            if budget.hard:
                self._of.setdefault(budget.project, []).append(budget)
        self._over: dict[str, tuple[BudgetView, ...]] = {}
        self._taken: dict[InPeriod, int] = {}
        self._kept: dict[InPeriod, dict[int, int]] = {}
        self._known: dict[tuple[int, Request, float, float], tuple[Charge, ...]] = {}
        self._keeping: dict[int, list[InPeriod]] = {}
        self._waited_for: set[int] = set()
        for job in snapshot.running:
            self._commit(job)

    @classmethod
    def of(cls, snapshot: Snapshot, now: float) -> "BudgetRoom | None":
        """None where no budget is hard: then nothing has to be counted."""
        return cls(snapshot, now) if any(one.hard for one in snapshot.budgets) else None

    def over(self, project: str) -> tuple[BudgetView, ...]:
        """The hard budgets that pay for the project's jobs, the nearest first."""
        found = self._over.get(project)
        if found is None:
            found = self._over[project] = tuple(budgets_over(chain_of(project, self._projects), self._of))
        return found

    def pays(self, job_id: int, project: str, request: Request, length: float) -> bool:
        """Whether the job could start now and run for so long within every hard budget above it."""
        return next(self._lacks(job_id, project, request, self.now, length), None) is None

    def lacks(self, job_id: int, project: str, request: Request, length: float) -> list[Lack]:
        """Each budget and period that cannot pay it now."""
        return list(self._lacks(job_id, project, request, self.now, length))

    def could_ever_pay(self, project: str, request: Request, length: float) -> bool:
        """Whether the budgets could pay for it if nothing else was spent in their periods."""
        return not too_large(self._meter, self.over(project), request, self.now, length)

    def started(self, job_id: int, project: str, request: Request, length: float) -> None:
        """From now on the job counts as running."""
        self._give_up(job_id)
        for key, amount in self._charges(project, request, self.now, length):
            self._taken[key] = self._taken.get(key, 0) + amount

    def keep(self, job_id: int, project: str, request: Request, start: float, length: float) -> None:
        """From now on nobody else starts with what the job needs, once it starts then."""
        self._give_up(job_id)
        keys: list[InPeriod] = []
        self._keeping[job_id] = keys
        for key, amount in self._charges(project, request, start, length):
            self._kept.setdefault(key, {})[job_id] = amount
            keys.append(key)

    def keep_later(self, job_id: int, project: str, request: Request, length: float) -> None:
        """Keep what it needs of the first periods that can pay it, for the first job that one of its budgets refuses.

        Otherwise what others start shortly before the end of a period could use up the next one each time.
        """
        refusing = {lack.budget.id for lack in self._lacks(job_id, project, request, self.now, length)}
        if not refusing <= self._waited_for:
            self._waited_for |= refusing
            start = self._earliest(job_id, project, request, length)
            if start is not None:
                self.keep(job_id, project, request, start, length)

    def keeps(self, job_id: int) -> bool:
        """Whether anything is kept for the job."""
        return job_id in self._keeping

    def _give_up(self, job_id: int) -> None:
        for key in self._keeping.pop(job_id, ()):
            del self._kept[key][job_id]

    def _earliest(self, job_id: int, project: str, request: Request, length: float) -> float | None:
        start = self.now
        for _ in range(TRIED):
            lacks = list(self._lacks(job_id, project, request, start, length))
            if not lacks:
                return start
            start = max(lack.span.end for lack in lacks)
        return None

    def _commit(self, job: RunningJob) -> None:
        until = self._meter.latest_end(job, self.now)
        for budget in self.over(job.project) if self._of else ():
            for span in periods_over(budget, self.now, until):
                key = (budget.id, span.start)
                used = self._meter.used_by(budget, job, span, until, self.now)
                self._taken[key] = self._taken.get(key, 0) + used

    def _lacks(self, job_id: int, project: str, request: Request, start: float, length: float) -> Iterator[Lack]:
        for budget in self.over(project):
            for span, needed in self._of_request(budget, request, start, length):
                key = (budget.id, span.start)
                kept = {one: amount for one, amount in self._kept.get(key, {}).items() if one != job_id}
                lack = Lack(budget, span, self._taken.get(key, 0), kept, needed)
                if lack.over > 0:
                    yield lack

    def _charges(self, project: str, request: Request, start: float, length: float) -> Iterator[tuple[InPeriod, int]]:
        for budget in self.over(project):
            for span, amount in self._of_request(budget, request, start, length):
                yield (budget.id, span.start), amount

    def _of_request(self, budget: BudgetView, request: Request, start: float, length: float) -> tuple[Charge, ...]:
        key = (budget.id, request, start, length)
        found = self._known.get(key)
        if found is None:
            rate = self._meter.of_request(budget, request)
            found = self._known[key] = tuple(charges(budget, rate, start, length))
        return found


def with_ended(snapshot: Snapshot, meter: Meter, job: RunningJob, now: float) -> tuple[BudgetView, ...]:
    """The budgets once the job, which runs, has ended then: what it used of their periods is spent."""
    projects = {one.slug for one in chain_of(job.project, {one.slug: one for one in snapshot.projects})}

    def after(budget: BudgetView) -> BudgetView:
        span = period_at(budget, now)
        used = meter.used_by(budget, job, span, now, now)
        return replace(budget, spent=spent_in(budget, span) + used, spent_since=span.start)

    return tuple(after(one) if one.project in projects else one for one in snapshot.budgets)


def budgets_over(chain: Iterable[ProjectView], known: Mapping[str, Iterable[BudgetView]]) -> Iterator[BudgetView]:
    """The budgets of these projects."""
    for project in chain:
        yield from known.get(project.slug, ())


def charges(budget: BudgetView, rate: Rate, start: float, length: float) -> Iterator[Charge]:
    """What a job at that rate uses in each period; periods in which it uses nothing are left out."""
    end = start + length
    for span in periods_over(budget, start, end) if rate else ():
        amount = rate.millionths_over(max(start, span.start), min(end, span.end))
        if amount:
            yield Charge(span, amount)


def too_large(
    meter: Meter, budgets: Iterable[BudgetView], request: Request, now: float, length: float
) -> list[tuple[BudgetView, int]]:
    """The budgets that are smaller than what the job may use in one period alone, and how much that is."""
    found = []
    for budget in budgets:
        span = period_at(budget, now)
        if span.end <= now:
            continue
        if budget.period != ONCE:  # the next one: of this one a part was before the prices that hold now
            span = period_at(budget, span.end)
        start = max(now, span.start)
        end = min(start + length, span.end)
        needed = meter.of_request(budget, request).millionths_over(start, end)
        if needed > budget.amount:
            found.append((budget, needed))
    return found
