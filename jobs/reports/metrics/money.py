"""Costs and budgets."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Count, Sum
from django.db.models.functions import Now

from jobs.costs import so_far
from jobs.planning.budget_use.reports import reports_of
from jobs.reports.metrics.families import Family, Prepared, gauge, gauges, query
from quotas.budgets.rows import Budget
from quotas.costs.ledger import Kind
from quotas.costs.prices import valid_rows
from quotas.models import LedgerTransaction

HOUR = timedelta(hours=1)
MOST_BUDGETS = 100
DELIVERIES_DUE = """
    SELECT count(*), EXISTS (SELECT FROM quotas_budget) FROM quotas_budgetdelivery WHERE next_try_at IS NOT NULL
"""


PRICES = Prepared(lambda: valid_rows().order_by().values_list("currency").annotate(Count("pk")))
SET_ASIDE = Prepared(lambda: so_far.lines_on_hold().order_by().values_list("account").annotate(Sum("amount")))
BOOKED = Prepared(
    lambda: (
        LedgerTransaction.objects.exclude(kind=Kind.HOLD)
        .filter(at__gt=Now() - HOUR)
        .order_by()
        .values_list("kind")
        .annotate(Sum("cost"))
    )
)


def costs() -> Iterator[Family]:
    """In the platform's currency; what is expected of jobs that wait is with them."""
    yield gauge("cost_prices", "Prices that are valid now.", sum(number for _, number in PRICES.rows()))
    yield gauge(
        "cost_on_hold", "What is set aside for the jobs that run.", float(sum(amount for _, amount in SET_ASIDE.rows()))
    )
    sums: dict[str, Any] = dict.fromkeys((Kind.SETTLE, Kind.REFUND), 0)
    sums |= dict(BOOKED.rows())
    text = "What was booked in the last hour: costs of what ended, and what of costs was given back."
    yield gauges("cost_last_hour", text, ("kind",), ((kind, abs(sums[kind])) for kind in sums))


def budgets() -> Iterator[Family]:
    """In their units; of so many, those that were set first."""
    [[due, any_set]] = query(DELIVERIES_DUE, [])
    first = Budget.objects.select_related("project").order_by("pk")[:MOST_BUDGETS]
    reports = reports_of(first) if any_set else []
    yield gauge("budget_deliveries_due", "Alerts of budgets that are still to be sent.", due)
    figures = {
        "amount": "May be spent",
        "spent": "Is spent",
        "committed": "Runs up to its limits",
        "forecast": "Is expected",
    }
    for name, text in figures.items():
        rows = ((one.budget.pk, one.budget.project.slug, one.budget.unit, getattr(one, name)) for one in reports)
        known = f"{text} in the budget's period that is now."
        yield gauges(f"budget_{name}", known, ("budget", "project", "unit"), rows)
