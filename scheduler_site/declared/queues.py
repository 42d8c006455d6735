"""Queues, with their limits and the projects that may use them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.v1.shapes.queues import columns
from jobs.control import queue_setting
from jobs.models import Queue
from scheduler_site.declared.changes import Change, Verb, compared, in_the_file
from scheduler_site.declared.document import Entry


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
    before: Mapping[str, Any] | None = _known(row, values) if row else None

    def change(other: dict[str, Any]) -> None:
        fields = {name: value for name, value in values.items() if in_the_file(name, value)[0] in other}
        queue_setting.change(queue=Queue.objects.get(name=entry.values["name"]), **fields)

    return compared(
        entry,
        before,
        dict(_shown(name, value) for name, value in values.items()),
        create=lambda: queue_setting.create(name=entry.values["name"], **values),
        change=change,
    )


def _known(row: Queue, names: Iterable[str]) -> dict[str, Any]:
    projects = [project.slug for project in row.allowed_projects.all()]
    known = ((name, projects if name == "allowed_projects" else getattr(row, name)) for name in names)
    return dict(_shown(name, value) for name, value in known)


def _shown(column: str, value: Any) -> tuple[str, Any]:
    """Which projects may use it has no order."""
    return (column, sorted(value)) if column == "allowed_projects" else in_the_file(column, value)


def _deletion(row: Queue) -> Change:
    return Change(Verb.DELETE, f"queue {row}", do=lambda: queue_setting.remove(queue=row))


def _draining(row: Queue) -> Change:
    return Change(Verb.DRAIN, f"queue {row}", do=lambda: queue_setting.change(queue=row, state=Queue.State.DRAINING))
