"""What runs would cost together if they were submitted now, and whether an amount and all budgets above them would pay."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from jobs.planning import budgets, run_times
from jobs.planning.budget_use.reports import BudgetReport, reports_of
from jobs.planning.snapshot import projects
from jobs.submission import pricing
from jobs.submission.job_spec import JobSpec
from quotas.budgets.rows import Budget
from quotas.costs import prices
from scheduling.run_times import expected_within
from scheduling.sharing.budgets import Meter, charges, period_at
from scheduling.sharing.prices import rounded
from scheduling.sharing.rates import HOUR, MILLION, dearest
from scheduling.snapshot import BudgetView, Snapshot, chain_of


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """What the runs may use of a budget in its period, if all began now and ran up to their limits."""

    report: BudgetReport
    needed: Decimal

    @property
    def within(self) -> bool:
        return self.needed <= max(Decimal(0), self.report.available)


@dataclass(frozen=True, slots=True)
class RunsQuote:
    """Costs are those of all runs together; None where nothing of them has a price, or no amount was named.

    `within_at_most`: even if all run up to their limits. `stopped_by` is the nearest hard budget that does not let all of
    them start now.
    """

    runs: int
    estimated_cost: Decimal | None
    most_cost: Decimal | None
    at_most: Decimal | None
    within_at_most: bool | None
    expected_within_at_most: bool | None
    within_budgets: bool
    stopped_by: BudgetCheck | None
    budgets: Sequence[BudgetCheck]


def quote_runs(
    specs: Sequence[JobSpec], snapshot: Snapshot, owner: str, *, count: int = 1, at_most: Decimal | None = None
) -> RunsQuote:
    """Each of `specs`, which were checked, run `count` times."""
    known = prices.valid_now()
    assumed = snapshot.rules.assumed_limit_seconds
    estimated, most, priced = Fraction(0), Fraction(0), False
    for spec in specs:
        rate = dearest(spec.request, snapshot.nodes, known) if known else None
        limit = float(spec.max_runtime_seconds or assumed)
        traits = run_times.traits_of(spec.project, owner, spec.name, spec.request, spec.max_runtime_seconds)
        expected = expected_within(limit, run_times.expected_of(traits) or spec.estimated_runtime_seconds)
        if rate is not None:
            priced = True
            estimated += rate * Fraction(expected) / HOUR
            most += rate * Fraction(limit) / HOUR
    estimate, dearest_end = (
        rounded(one * count, pricing.SHOWN_PLACES) if priced else None for one in (estimated, most)
    )
    checks = _checks(specs, snapshot, count)
    return RunsQuote(
        runs=len(specs) * count,
        estimated_cost=estimate,
        most_cost=dearest_end,
        at_most=at_most,
        within_at_most=_within(dearest_end, at_most),
        expected_within_at_most=_within(estimate, at_most),
        within_budgets=all(one.within for one in checks),
        stopped_by=next((one for one in checks if one.report.budget.hard and not one.within), None),
        budgets=checks,
    )


def _checks(specs: Sequence[JobSpec], snapshot: Snapshot, count: int) -> list[BudgetCheck]:
    tree = {one.slug: one for one in projects()}
    above = {
        spec.project: {one.slug: place for place, one in enumerate(chain_of(spec.project, tree))} for spec in specs
    }
    slugs = {slug for chain in above.values() for slug in chain}
    rows = list(Budget.objects.filter(project__slug__in=slugs).select_related("project")) if slugs else []
    reports = reports_of(rows)
    views = [row.as_value(row.project.slug, snapshot.taken_at) for row in rows]
    meter = Meter(Snapshot(nodes=snapshot.nodes, prices=budgets.prices_for(views, (), snapshot.taken_at)))
    checks = [
        BudgetCheck(
            report,
            Decimal(
                count
                * sum(_needed(view, spec, snapshot, meter) for spec in specs if view.project in above[spec.project])
            )
            / MILLION,
        )
        for report, view in zip(reports, views, strict=True)
    ]
    nearest = {slug: min(chain.get(slug, len(slugs)) for chain in above.values()) for slug in slugs}
    return sorted(checks, key=lambda one: (nearest[one.report.budget.project.slug], one.report.budget.pk))


def _needed(view: BudgetView, spec: JobSpec, snapshot: Snapshot, meter: Meter) -> int:
    limit = float(spec.max_runtime_seconds or snapshot.rules.assumed_limit_seconds)
    span = period_at(view, snapshot.taken_at)
    found = charges(view, meter.of_request(view, spec.request), snapshot.taken_at, limit)
    return sum(one.amount for one in found if one.span == span)


def _within(cost: Decimal | None, most: Decimal | None) -> bool | None:
    return None if cost is None or most is None else cost <= most
