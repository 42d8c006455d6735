"""What a job may use of the hard budgets above it: more than a whole period's is refused as it is submitted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from jobs.planning import budgets
from jobs.planning.policy_settings import rules
from quotas.budgets.rows import Budget
from scheduling.errors import FieldError
from scheduling.reasons import spelt
from scheduling.resources import Request
from scheduling.sharing.budget_reasons import spell_amount
from scheduling.sharing.budgets import Meter, budgets_over, too_large
from scheduling.sharing.periods import ONCE
from scheduling.snapshot import BudgetView, NodeView, ProjectView, Snapshot


@dataclass(frozen=True)
class HardBudgets:
    """All hard budgets as they are at that moment, whatever is spent of them, and what nodes there are."""

    now: float
    nodes: Sequence[NodeView]
    by_project: dict[str, list[BudgetView]] = field(default_factory=dict)

    @classmethod
    def read(cls, nodes: Sequence[NodeView], now: float) -> "HardBudgets":
        found: dict[str, list[BudgetView]] = {}
        for row in Budget.objects.filter(hard=True).select_related("project"):
            found.setdefault(row.project.slug, []).append(row.as_value(row.project.slug, now))
        return cls(now, nodes, found)

    @cached_property
    def _meter(self) -> Meter:
        known = [one for budgets in self.by_project.values() for one in budgets]
        prices = budgets.prices_for(known, (), self.now)
        return Meter(Snapshot(nodes=tuple(self.nodes), prices=prices, rules=rules()))

    def faults(self, request: Request, limit: int | None, chain: Iterable[ProjectView]) -> list[FieldError]:
        """The budgets above the job that could not pay for it if nothing else was spent of them."""
        paying = list(budgets_over(chain, self.by_project))
        if not paying:
            return []
        length = float(limit or rules().assumed_limit_seconds)
        return [
            FieldError("max_runtime_seconds", _too_much(budget, needed, length, limited=limit is not None), "budget")
            for budget, needed in too_large(self._meter, paying, request, self.now, length)
        ]


def _too_much(budget: BudgetView, needed: int, length: float, *, limited: bool) -> str:
    """For example: "The budget of project vision allows 10 GPU-hours a day; within its limit of 4h this job may use ..."."""
    each = "once" if budget.period == ONCE else f"a {budget.period}"
    its = "its limit" if limited else "the limit that is assumed of a job without one"
    return (
        f"The budget of project {budget.project} allows {spell_amount(budget, budget.amount)} {each}; "
        f"within {its} ({spelt(int(length))}) this job may use {spell_amount(budget, needed)} of that. "
        "Set a shorter limit, or ask for less."
    )
