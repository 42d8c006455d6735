"""Budgets as the scheduling core sees them: with what is spent of each in its period, and the prices to reckon with."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import inf

from jobs.costs.gpu_hours import gpu_hours_spent
from quotas.budgets.rows import Budget
from quotas.budgets.spent import money_spent
from quotas.costs import prices
from quotas.tree import lines_up
from scheduling.price_list import Price
from scheduling.sharing.budgets import Unit, period_at, with_spent
from scheduling.sharing.periods import Span
from scheduling.snapshot import BudgetView, RunningJob

FAR_AHEAD = timedelta(days=3_650)
LATE_SECONDS = 900.0
"""What is booked at a moment is committed so much later at the latest."""
KEPT_SECONDS = 300.0
"""For so long a sum is kept."""
SPENT: Mapping[str, Callable[[Span, Span], dict[int, int]]] = {
    Unit.MONEY: money_spent,
    Unit.GPU_HOURS: gpu_hours_spent,
}


class PastSpending:
    """What was spent by a moment some minutes ago: summed up once in a while, as a cycle follows each event.

    In a busy month a million placements end. What has ended since is read each time.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, Span, float], dict[int, int]] = {}

    def spent(self, unit: str, span: Span, now: float) -> dict[int, int]:
        """By project, as if all was read."""
        mark = (now - LATE_SECONDS) // KEPT_SECONDS * KEPT_SECONDS
        if mark <= span.start:
            return SPENT[unit](span, Span(span.start, inf))
        key = (unit, span, mark)
        if key not in self._known:
            self._known = {other: sums for other, sums in self._known.items() if other[2] == mark}
            self._known[key] = SPENT[unit](span, Span(span.start, mark))
        return Counter(self._known[key]) + Counter(SPENT[unit](span, Span(mark, inf)))

    def forget(self) -> None:
        self._known = {}


past = PastSpending()


def hard_budgets(now: float) -> tuple[BudgetView, ...]:
    """Those that keep jobs from starting, or would in a later period."""
    found = (
        Budget.objects.filter(hard=True)
        .select_related("project")
        .exclude(ends_at__lte=datetime.fromtimestamp(now, UTC))
    )
    return views_of(found, now)


def views_of(budgets: Iterable[Budget], now: float) -> tuple[BudgetView, ...]:
    """These budgets, each with what was spent in its period at that moment."""
    views = [(budget.project_id, budget.as_value(budget.project.slug, now)) for budget in budgets]
    below = _below() if views else {}
    spent: dict[tuple[str, Span], dict[int, int]] = {}
    for _, view in views:
        key = (view.unit, period_at(view, now))
        if key not in spent:
            spent[key] = past.spent(view.unit, key[1], now)
    return tuple(
        with_spent(view, sum(spent[view.unit, period_at(view, now)].get(one, 0) for one in below[project]), now)
        for project, view in views
    )


def gpu_hours_read_since(now: float) -> dict[int, float]:
    """By project, since when budgets of GPU-hours, its own or of one above, read what it spent from its placements."""
    since: dict[int, float] = {}
    for budget in Budget.objects.filter(unit=Unit.GPU_HOURS).exclude(ends_at__lte=datetime.fromtimestamp(now, UTC)):
        start = period_at(budget.as_value("", now), now).start
        since[budget.project_id] = min(start, since.get(budget.project_id, inf))
    lines = lines_up().items() if since else ()
    return {project: min(starts) for project, line in lines if (starts := [since[one] for one in line if one in since])}


def prices_for(budgets: Iterable[BudgetView], running: Iterable[RunningJob], now: float) -> tuple[Price, ...]:
    """All prices since the first of these began, and those to come; none where no budget is one of money."""
    if not any(one.unit == Unit.MONEY for one in budgets):
        return ()
    first = min((job.holds_since or now for job in running), default=now)
    since = datetime.fromtimestamp(first, UTC)
    return tuple(prices.valid_within(since, since + FAR_AHEAD))


def _below() -> dict[int, set[int]]:
    """Each project with all below it, as the tree is now: who moves takes what they spent along."""
    below: defaultdict[int, set[int]] = defaultdict(set)
    for project, line in lines_up().items():
        for above in line:
            below[above].add(project)
    return below
