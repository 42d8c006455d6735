"""What became of budgets in their periods: spent, committed to what runs, and what is expected by the end of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from jobs.planning.budget_use import spenders
from jobs.planning.budgets import views_of
from quotas.budgets.rows import Budget
from quotas.clock import database_now
from scheduling.sharing.budget_use import BudgetUse, BudgetWarning, uses_of, warnings_of
from scheduling.sharing.budgets import period_at
from scheduling.sharing.periods import ONCE
from scheduling.sharing.rates import MILLION
from scheduling.snapshot import BudgetView


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

    @property
    def taken(self) -> Decimal:
        return self.spent + self.committed

    @property
    def sentence(self) -> str:
        """`12.50 spent, 3.00 committed, 20.00 expected by the end of the month, of 25.00 EUR, hard: 62 % taken`."""
        end = "the end" if self.budget.period == ONCE else f"the end of the {self.budget.period}"
        amounts = (
            f"{spell(self.spent)} spent, {spell(self.committed)} committed, {spell(self.forecast)} expected by {end}"
        )
        whole = f"{spell(self.amount)} {self.budget.currency or 'GPU-hours'}"
        return f"{amounts}, of {whole}, {'hard' if self.budget.hard else 'soft'}: {self._share()}"

    def _share(self) -> str:
        if not self.amount:
            return f"{spell(self.taken)} over it" if self.taken else "nothing may be spent"
        share = f"{100 * self.taken / self.amount:.0f} % taken"
        expected = ", more than that expected" if self.forecast > self.amount >= self.taken else ""
        return share + expected


def spell(amount: Decimal) -> str:
    """With two digits after the point; four where it is less than one, so that a little is not nothing."""
    if abs(amount) >= 1:
        return f"{amount:.2f}"
    whole, _, digits = f"{amount:.4f}".partition(".")
    return f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}"


def reports_of(budgets: Iterable[Budget]) -> list[BudgetReport]:
    """In the order of these budgets, all at one moment."""
    known = list(budgets)
    if not known:
        return []
    now = database_now().timestamp()
    views = views_of(known, now)
    world, waiting = spenders.read(known, views, now)
    uses = uses_of(views, world, waiting)
    return [_report(*one, now) for one in zip(known, views, uses, strict=True)]


def _report(budget: Budget, view: BudgetView, use: BudgetUse, now: float) -> BudgetReport:
    span = period_at(view, now)
    since, until = (datetime.fromtimestamp(one, UTC) for one in span)
    spent, committed, accrued, forecast = (Decimal(one) / MILLION for one in use)
    warnings = tuple(warnings_of(use, view.amount))
    return BudgetReport(budget, since, until, spent, committed, accrued, forecast, warnings)
