"""What the pages of projects show beside the fields: a bar for each quota and each budget."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console.admin import cells
from console.admin.project_bars import drawing
from jobs.outputs import project_limits
from jobs.planning.budget_use.reports import BudgetReport, reports_of
from jobs.reports import quota_bars
from jobs.reports.quota_usage import standing_now
from quotas.budgets.rows import Budget
from quotas.models import Project
from scheduling.reasons import number
from scheduling.snapshot import chain_of

BUDGETS_IN_A_CELL = 3


def may_see_budgets(user: Any) -> bool:
    return bool(user.has_perm("quotas.view_budget"))


def page_context(project: Project, user: Any) -> dict[str, Any]:
    """For a project's page."""
    reports = budget_reports([project]).get(project.pk, []) if may_see_budgets(user) else []
    return {
        "quota_rows": [drawing.quota_row(bar) for bar in quota_bars.bars_in(standing_now(), project.slug)],
        "kept_outputs": project_limits.standing_of(project.pk),
        "budget_rows": [drawing.budget_row(report) for report in reports],
        "may_add_budgets": user.has_perm("quotas.add_budget"),
        **legends(user),
    }


def legends(user: Any) -> dict[str, Any]:
    return {
        "quota_legend": drawing.legend(drawing.QUOTA_PARTS, drawing.QUOTA_MARKS),
        "budget_legend": drawing.legend(drawing.BUDGET_PARTS, drawing.BUDGET_MARKS),
        "may_see_budgets": may_see_budgets(user),
    }


def add_bars(projects: Sequence[Any], *, budgets: bool) -> None:
    """Each project of a list with its path, its usage, its bars and its budgets, in a fixed number of statements."""
    standing = standing_now()
    every, reports = quota_bars.all_bars(standing), budget_reports(projects) if budgets else {}
    for project in projects:
        project.path = [view.slug for view in chain_of(project.slug, standing.tree)][::-1]
        project.usage = standing.usage[project.slug]
        project.bars = {bar.resource: bar for bar in every[project.slug]}
        project.reports = reports.get(project.pk, [])


def budget_reports(projects: Iterable[Project]) -> dict[int, list[BudgetReport]]:
    """Of the budgets of these projects themselves, by project."""
    found: defaultdict[int, list[BudgetReport]] = defaultdict(list)
    for report in reports_of(Budget.objects.filter(project__in=list(projects)).select_related("project")):
        found[report.budget.project_id].append(report)
    return found


def cell(project: Any, name: str) -> SafeString | str:
    """What the project uses: as a bar where its own quota, or one above it, limits it."""
    bar = project.bars.get(name)
    return number(name, project.usage[name]) if bar is None else drawing.quota_cell(bar)


def budget_cells(project: Any) -> SafeString | str:
    shown = [drawing.budget_cell(report) for report in project.reports[:BUDGETS_IN_A_CELL]]
    left_out = len(project.reports) - len(shown)
    more = [format_html("<small>{} more</small>", left_out)] if left_out else []
    return format_html_join("", "{}", ((one,) for one in [*shown, *more])) if shown else cells.EMPTY
