"""Looks at all budgets once a minute: tells of those of which much is used, on the operators' pages and to whom it concerns."""

from jobs.models import StandingAlert
from jobs.planning.budget_use.reports import BudgetReport, reports_of
from jobs.state.alerts import raise_
from quotas.budgets import alerts
from quotas.budgets.rows import Budget, BudgetAlert
from scheduling.sharing.budget_use import BudgetWarning

KEY = "budget:"
ON_THE_PAGES = frozenset({BudgetWarning.ALL, BudgetWarning.FORECAST})


def watch() -> int:
    """One pass; answers of how many alerts somebody is told for the first time. Two at once tell each of them once."""
    reports = reports_of(Budget.objects.select_related("project"))
    told = sum(alerts.tell(alert) for report in reports for alert in _alerts(report))
    _show(reports)
    alerts.deliver()
    return told


def _alerts(report: BudgetReport) -> list[BudgetAlert]:
    figures = {"spent": report.spent, "committed": report.committed, "forecast": report.forecast}
    return [
        BudgetAlert(budget=report.budget, since=report.since, kind=kind, amount=report.budget.amount, **figures)
        for kind in report.warnings
    ]


def _show(reports: list[BudgetReport]) -> None:
    """On the operators' pages, for as long as it lasts."""
    lasting = {
        f"{KEY}{one.budget.pk}": alert for one in reports for alert in _alerts(one) if alert.kind in ON_THE_PAGES
    }
    for key, alert in lasting.items():
        raise_(key, alerts.sentence(alert))
    StandingAlert.objects.filter(key__startswith=KEY).exclude(key__in=lasting).delete()
