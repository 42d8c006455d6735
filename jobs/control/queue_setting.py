"""Making queues, changing and removing them: by staff, whose doors ask who it is."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from jobs.messages import publishing
from jobs.models import Queue
from quotas.models import Project
from scheduling.errors import ConflictError, FieldError, InvalidError
from workers.clusters import unknown_executor
from workers.models import Cluster

USUAL = "default"
"""Where jobs go that name none: it is not deleted."""


@transaction.atomic
def create(*, name: str, allowed_projects: Iterable[str] = (), **columns: Any) -> Queue:
    """A new queue. Raises InvalidError naming the field."""
    if Queue.objects.filter(name=name).exists():
        raise InvalidError([FieldError("name", f"There is a queue {name} already.", "taken")])
    _refuse_unknown_executor(columns)
    projects = _found_projects(allowed_projects)
    queue = Queue.objects.create(name=name, **columns)
    queue.allowed_projects.set(projects)
    return queue


@transaction.atomic
def change(*, queue: Queue, allowed_projects: Iterable[str] | None = None, **columns: Any) -> None:
    """Set the named columns, and which projects may use it. Raises InvalidError naming the field."""
    if allowed_projects is not None:
        queue.allowed_projects.set(_found_projects(allowed_projects))
    _refuse_unknown_executor(columns)
    longest = columns.get("max_runtime_seconds", queue.max_runtime_seconds)
    usual = columns.get("default_runtime_seconds", queue.default_runtime_seconds)
    if longest is not None and usual is not None and usual > longest:
        message = f"Jobs that name no limit get {usual} s, which is more than {longest} s."
        raise InvalidError([FieldError("max_runtime_seconds", message, "contradiction")])
    Queue.objects.filter(pk=queue.pk).update(**columns)
    publishing.request_cycle()


@transaction.atomic
def remove(*, queue: Queue) -> None:
    """Delete a queue that no job is in, not even one that is over."""
    Queue.objects.select_for_update().get(pk=queue.pk)
    if queue.name == USUAL:
        raise ConflictError(f"Queue {queue} is where jobs go that name none.", state="used")
    if queue.jobs.exists():
        raise ConflictError(f"Queue {queue} has jobs, those that are over too: drain it instead.", state="used")
    queue.delete()


def _refuse_unknown_executor(columns: Mapping[str, Any]) -> None:
    if columns.get("executor") and (
        words := unknown_executor(columns["executor"], list(Cluster.objects.order_by("name")))
    ):
        raise InvalidError([FieldError("executor", words, "unknown")])


def _found_projects(slugs: Iterable[str]) -> list[Project]:
    wanted = set(slugs)
    found = {project.slug: project for project in Project.objects.filter(slug__in=wanted)}
    if missing := sorted(wanted - found.keys()):
        raise InvalidError([FieldError("allowed_projects", f"There is no project {missing[0]!r}.", "unknown")])
    return list(found.values())
