"""Queues, with their limits and the projects that may use them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.v1.shapes.queues import columns
from jobs.control import queue_setting
from jobs.models import Queue
from scheduler_site.declared.changes import Change, Verb, compared
from scheduler_site.declared.document import Entry
from scheduling import memory_units


def changes(entries: Iterable[Entry]) -> Iterator[Change]:
    """Of each queue that is declared."""
    rows = {row.name: row for row in Queue.objects.prefetch_related("allowed_projects")}
    return (_queue(entry, rows.get(entry.values["name"])) for entry in entries)


def surplus(entries: Iterable[Entry]) -> Iterator[Change]:
    """Queues that are not in the file: deleted where no job is or was in them, else drained. The usual one stays."""
    declared = {entry.values["name"] for entry in entries} | {queue_setting.USUAL}
    for row in Queue.objects.exclude(name__in=declared):
        if not row.jobs.exists():
            yield _deletion(row)
        elif row.state != Queue.State.DRAINING:
            yield _draining(row)


def _queue(entry: Entry, row: Queue | None) -> Change:
    values = columns({name: value for name, value in entry.values.items() if name != "name"})
    before: Mapping[str, Any] | None = _shown(row, values) if row else None

    def change(other: dict[str, Any]) -> None:
        fields = {name: value for name, value in values.items() if _label(name) in other}
        queue_setting.change(queue=Queue.objects.get(name=entry.values["name"]), **fields)

    return compared(
        entry,
        before,
        {_label(name): _amount(name, value) for name, value in values.items()},
        create=lambda: queue_setting.create(name=entry.values["name"], **values),
        change=change,
    )


def _shown(row: Queue, names: Iterable[str]) -> dict[str, Any]:
    projects = [project.slug for project in row.allowed_projects.all()]
    known = {name: projects if name == "allowed_projects" else getattr(row, name) for name in names}
    return {_label(name): _amount(name, value) for name, value in known.items()}


def _label(column: str) -> str:
    return column.replace("memory_mb", "memory_gb")


def _amount(column: str, value: Any) -> Any:
    if column == "allowed_projects":
        return sorted(value)
    return memory_units.gigabytes(value) if value is not None and column == "max_memory_mb" else value


def _deletion(row: Queue) -> Change:
    return Change(Verb.DELETE, f"queue {row}", do=lambda: queue_setting.remove(queue=row))


def _draining(row: Queue) -> Change:
    return Change(Verb.DRAIN, f"queue {row}", do=lambda: queue_setting.change(queue=row, state=Queue.State.DRAINING))
