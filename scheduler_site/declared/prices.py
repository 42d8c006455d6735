"""Prices until further notice. One that was valid is never changed: it ends, and the next one begins."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models.functions import Now

from quotas.costs import prices
from quotas.models import Price
from scheduler_site.declared.changes import ACTOR, Change, Verb, compared
from scheduler_site.declared.document import Entry
from scheduler_site.declared.shapes import title_of


def changes(entries: Iterable[Entry]) -> Iterator[Change]:
    """By what is valid, or will be, until further notice; one that has an end is in the way as far as it reaches."""
    rows = {_title(row): row for row in Price.objects.filter(valid_to__isnull=True)}
    return (_price(entry, rows.get(entry.title)) for entry in entries)


def surplus(entries: Iterable[Entry]) -> Iterator[Change]:
    """Prices that are not declared end now; those that have not begun are taken back."""
    declared = {entry.title for entry in entries}
    rows = Price.objects.filter(valid_to__isnull=True)
    return (_end(row) for row in rows if _title(row) not in declared)


def _title(row: Price) -> str:
    return title_of("prices", {"target": row.target, "name": row.name, "capacity": row.capacity})


def _price(entry: Entry, row: Price | None) -> Change:
    wanted = {"per_hour": entry.values["per_hour"]}

    def change(_other: dict[str, Any]) -> None:
        prices.replace_price(row.pk if row else 0, entry.values["per_hour"], ACTOR)

    return compared(
        entry,
        {"per_hour": row.per_hour} if row else None,
        wanted,
        create=lambda: prices.set_price(prices.PriceRequest(**entry.values), ACTOR),
        change=change,
    )


def _end(row: Price) -> Change:
    if Price.objects.filter(pk=row.pk, valid_from__lt=Now()).exists():
        return Change(Verb.END, _title(row), do=lambda: prices.end_price(row.pk, ACTOR))
    return Change(Verb.DELETE, _title(row), do=lambda: prices.remove_price(row.pk, ACTOR))
