"""Pools of nodes, as an operator describes them."""

from collections.abc import Iterable, Iterator
from typing import Any

from api.v1.pools.shapes import columns
from jobs.control import pools
from scheduler_site.declared.changes import Change, Verb, compared
from scheduler_site.declared.document import Entry
from workers.models import NodePool


def changes(entries: Iterable[Entry]) -> Iterator[Change]:
    """Of each pool that is declared; memory is shown in MB, as agents report it."""
    rows = {row.name: row for row in NodePool.objects.all()}
    return (_pool(entry, rows.get(entry.values["name"])) for entry in entries)


def surplus(entries: Iterable[Entry]) -> Iterator[Change]:
    """Pools that are not in the file. Their nodes stay."""
    declared = [entry.values["name"] for entry in entries]
    return (_removal(row.name) for row in NodePool.objects.exclude(name__in=declared))


def _pool(entry: Entry, row: NodePool | None) -> Change:
    name = entry.values["name"]
    wanted = columns({one: value for one, value in entry.values.items() if one != "name"})

    def change(other: dict[str, Any]) -> None:
        pools.change(name, other)

    return compared(
        entry,
        {one: getattr(row, one) for one in wanted} if row else None,
        wanted,
        create=lambda: pools.create({"name": name, **wanted}),
        change=change,
    )


def _removal(name: str) -> Change:
    return Change(Verb.DELETE, f"pool {name}", do=lambda: pools.remove(name))
