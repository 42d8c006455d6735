"""Pools of nodes, as an operator describes them."""

from collections.abc import Iterable, Iterator
from typing import Any

from api.v1.pools.shapes import columns
from jobs.control import pools
from scheduler_site.declared.changes import Change, Verb, compared, in_the_file
from scheduler_site.declared.document import Entry
from workers.models import NodePool


def changes(entries: Iterable[Entry]) -> Iterator[Change]:
    """Of each pool that is declared; memory is shown in GB, as it is written."""
    rows = {row.name: row for row in NodePool.objects.all()}
    return (_pool(entry, rows.get(entry.values["name"])) for entry in entries)


def surplus(entries: Iterable[Entry]) -> Iterator[Change]:
    """Pools that are not in the file. Their nodes stay."""
    declared = [entry.values["name"] for entry in entries]
    return (_removal(row.name) for row in NodePool.objects.exclude(name__in=declared))


def _pool(entry: Entry, row: NodePool | None) -> Change:
    name = entry.values["name"]
    wanted = columns({one: value for one, value in entry.values.items() if one != "name"})

    shown = {one: in_the_file(one, value) for one, value in wanted.items()}

    def change(other: dict[str, Any]) -> None:
        pools.change(name, {one: wanted[one] for one, (told, _) in shown.items() if told in other})

    return compared(
        entry,
        dict(in_the_file(one, getattr(row, one)) for one in wanted) if row else None,
        dict(shown.values()),
        create=lambda: pools.create({"name": name, **wanted}),
        change=change,
    )


def _removal(name: str) -> Change:
    return Change(Verb.DELETE, f"pool {name}", do=lambda: pools.remove(name))
