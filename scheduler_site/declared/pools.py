"""Pools of nodes, as an operator describes them."""

from collections.abc import Iterable, Iterator
from typing import Any

from scheduler_site.declared.changes import Change, Verb, compared
from scheduler_site.declared.document import Entry
from workers.models import NodePool
from workers.pools import remove_pool, set_pool

COLUMNS = {"memory_gb": "memory_mb", "gpu_memory_gb": "gpu_memory_mb"}


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
    wanted = {COLUMNS.get(one, one): value for one, value in entry.values.items() if one != "name"}

    def change(other: dict[str, Any]) -> None:
        set_pool(name, **other)

    return compared(
        entry,
        {column: getattr(row, column) for column in wanted} if row else None,
        wanted,
        create=lambda: set_pool(name, **wanted),
        change=change,
    )


def _removal(name: str) -> Change:
    return Change(Verb.DELETE, f"pool {name}", do=lambda: remove_pool(name))
