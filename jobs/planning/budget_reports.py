"""What became of budgets in their periods: spent, committed to what runs, and what is expected by the end of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from jobs.models import Job
from jobs.planning.budgets import prices_for, views_of
from jobs.planning.snapshot import take_snapshot
from quotas.budgets.rows import Budget
from scheduling.lifecycle import JobState
from scheduling.sharing.budget_use import BudgetWarning, use_of, warnings_of
from scheduling.sharing.budgets import MILLION, period_at
from scheduling.snapshot import BudgetView, Snapshot


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """A budget and its period now, in its unit. `available` is what may still be committed: less than nothing, if it was lowered."""

    budget: Budget
    since: datetime
    until: datetime
    spent: Decimal
    committed: Decimal
    accrued: Decimal
    forecast: Decimal
    warnings: tuple[BudgetWarning, ...] = ()

    @property
    def amount(self) -> Decimal:
        return self.budget.amount

    @property
    def available(self) -> Decimal:
        return self.budget.amount - self.spent - self.committed


def reports_of(budgets: Iterable[Budget]) -> list[BudgetReport]:
    """In the order of these budgets, all at one moment."""
    known = list(budgets)
    if not known:
        return []
    snapshot = take_snapshot()
    views = views_of(known, snapshot.taken_at)
    prices = prices_for(views, snapshot.running, snapshot.taken_at)
    world = replace(snapshot, budgets=views, prices=prices)
    told = Job.objects.filter(state=JobState.PENDING, predicted_start__isnull=False)
    starts = {pk: start.timestamp() for pk, start in told.values_list("pk", "predicted_start") if start}
    return [_report(budget, view, world, starts) for budget, view in zip(known, views, strict=True)]


def _report(budget: Budget, view: BudgetView, world: Snapshot, starts: Mapping[int, float]) -> BudgetReport:
    use, span = use_of(view, world, starts), period_at(view, world.taken_at)
    since, until = (datetime.fromtimestamp(one, UTC) for one in span)
    spent, committed, accrued, forecast = (Decimal(one) / MILLION for one in use)
    warnings = tuple(warnings_of(use, view.amount))
    return BudgetReport(budget, since, until, spent, committed, accrued, forecast, warnings)
