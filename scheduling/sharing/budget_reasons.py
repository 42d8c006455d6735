"""Budgets in words: why one does not pay a job now, and with what it would."""

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode, listed
from scheduling.sharing.budgets import Lack, Unit
from scheduling.sharing.periods import ONCE, Span
from scheduling.sharing.rates import MILLION
from scheduling.snapshot import BudgetView

LEAST_SECONDS = 60
"""Nobody is told that a job of less than a minute could be paid."""
CENTS = 10_000
"""Millionths in a hundredth: what people read has two digits after the point."""


def spell_amount(budget: BudgetView, millionths: int) -> str:
    """For example "12.50 EUR" or "40 GPU-hours"."""
    amount = Decimal(millionths) / MILLION
    if budget.unit == Unit.GPU_HOURS:
        return f"{amount.normalize():f} {'GPU-hour' if millionths == MILLION else 'GPU-hours'}"
    digits = f"{amount:f}" if millionths % CENTS else f"{amount:.2f}"
    return f"{digits} {budget.currency}"


def spell_span(budget: BudgetView, span: Span) -> str:
    """From when until when, by the clock of the budget's zone."""
    since, until = (datetime.fromtimestamp(one, budget.zone) for one in span)
    return f"from {since:%Y-%m-%d %H:%M} until {until:%Y-%m-%d %H:%M} ({budget.zone})"


def longest_paid(pays: Callable[[int], bool], length: float) -> int | None:
    """The longest limit, in whole seconds, with which a job would be paid; None if not even for a minute."""
    if not pays(LEAST_SECONDS):
        return None
    limits = range(LEAST_SECONDS, max(LEAST_SECONDS + 1, int(length)))
    return limits[bisect_left(limits, True, key=lambda limit: not pays(limit)) - 1]


def budget_reason(lack: Lack, longest: int | None) -> Reason:
    """For example: "The budget of project vision allows 100.00 EUR from ... until ...: 80.00 EUR are spent, ..."."""
    budget, waits_for = lack.budget, tuple(sorted(lack.kept))
    known = [
        f"{spell_amount(budget, lack.spent)} spent",
        f"{spell_amount(budget, lack.committed)} committed to what runs",
    ]
    if waits_for:
        known.append(f"{spell_amount(budget, sum(lack.kept.values()))} kept for jobs before it")
    sentence = (
        f"The budget of project {budget.project} allows {spell_amount(budget, budget.amount)} "
        f"{spell_span(budget, lack.span)}: {listed(known)}; this job may use {spell_amount(budget, lack.needed)} of it. "
        f"{_what_would_start_it(lack, longest)}"
    )
    return Reason(
        ReasonCode.BUDGET,
        sentence,
        held_by=waits_for[:HOLDERS_SHOWN],
        subject=budget.project,
        budget=_figures(lack, longest),
    )


def _what_would_start_it(lack: Lack, longest: int | None) -> str:
    budget = lack.budget
    enough = f"a budget of {spell_amount(budget, _enough(lack))}"
    ways = [enough] if longest is None else [f"a limit of {longest} seconds", enough]
    again = "It is there once." if budget.period == ONCE else f"The next {budget.period} begins then."
    return f"{again} With {' or '.join(ways)} it would be paid now."


def _enough(lack: Lack) -> int:
    return lack.budget.amount + lack.over


def _figures(lack: Lack, longest: int | None) -> dict[str, object]:
    budget = lack.budget
    amounts = {
        "amount": budget.amount,
        "spent": lack.spent,
        "committed": lack.committed,
        "kept": sum(lack.kept.values()),
        "needed": lack.needed,
        "would_start_with": _enough(lack),
    }
    return {
        "id": budget.id,
        "project": budget.project,
        "unit": budget.unit,
        **{name: f"{Decimal(amount) / MILLION:f}" for name, amount in amounts.items()},
        "next_period": None if budget.period == ONCE else datetime.fromtimestamp(lack.span.end, UTC).isoformat(),
        "longest_seconds": longest,
    }
