"""Budgets of the projects that declare any. They have no names: one of each unit, period and kind is what can be told apart."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db.models import Q

from quotas.budgets import setting
from quotas.clock import database_now
from quotas.models import Budget, Project
from scheduler_site.declared.changes import ACTOR, Change, Verb, compared
from scheduler_site.declared.document import Entry, Refused, budgets_of
from scheduler_site.declared.shapes import budget_title

SHOWN = ("amount", "zone", "starts_at", "ends_at")


def changes(entries: Iterable[Entry]) -> Iterator[Change]:
    """Of each budget that is declared. Raises Refused where two that there are fit one that is declared."""
    rows = _rows()
    for project in entries:
        for entry in budgets_of(project):
            found = rows.get(entry.title, [])
            if len(found) > 1:
                numbers = " and ".join(str(row.pk) for row in found)
                raise Refused([entry.refusal(f"there are several of them, {numbers}. Remove all but one.")])
            yield _budget(entry, project.values["slug"], found[0] if found else None)


def surplus(entries: Iterable[Entry]) -> Iterator[Change]:
    """Budgets that are not declared, of projects that declare theirs. What is over stays on record."""
    declared = {
        entry.values["slug"]: {one.title for one in budgets_of(entry)} for entry in entries if "budgets" in entry.values
    }
    for title, rows in _rows().items():
        yield from (_removal(title, row) for row in rows if title not in declared.get(row.project.slug, {title}))


def _rows() -> dict[str, list[Budget]]:
    found: dict[str, list[Budget]] = {}
    live = Budget.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=database_now()))
    for row in live.select_related("project").order_by("project__slug", "pk"):
        identity = {"unit": row.unit, "period": row.period, "hard": row.hard}
        found.setdefault(budget_title(row.project.slug, identity), []).append(row)
    return found


def _budget(entry: Entry, slug: str, row: Budget | None) -> Change:
    wanted = {name: entry.values[name] for name in SHOWN if entry.values.get(name) is not None}
    before: Mapping[str, Any] | None = {name: getattr(row, name) for name in SHOWN} if row else None

    def create() -> None:
        setting.set_budget(Project.objects.get(slug=slug), setting.BudgetRequest(**entry.values), ACTOR)

    def change(other: dict[str, Any]) -> None:
        setting.change_budget(Budget.objects.get(pk=row.pk if row else 0), ACTOR, **other)

    return compared(entry, before, wanted, create=create, change=change)


def _removal(title: str, row: Budget) -> Change:
    return Change(Verb.DELETE, title, do=lambda: setting.remove_budget(row, ACTOR))
