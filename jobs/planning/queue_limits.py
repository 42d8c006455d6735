"""The limits of queues as values of the core."""

from collections.abc import Iterable, Mapping

from jobs.models import Queue
from jobs.planning.snapshot import of_each_user
from quotas.access import Role
from scheduling.sharing.queue_limits import SIZES, QueueLimits


def limits_of(queues: Iterable[Queue]) -> Mapping[str, QueueLimits]:
    """By the queues' names; in two statements, however many they are."""
    allowed: dict[int, set[str]] = {}
    links = Queue.allowed_projects.through.objects.filter(queue__in=[queue.pk for queue in queues])
    for queue_id, slug in links.values_list("queue_id", "project__slug"):
        allowed.setdefault(queue_id, set()).add(slug)
    return {queue.name: _limits(queue, frozenset(allowed.get(queue.pk, ()))) for queue in queues}


def _limits(queue: Queue, projects: frozenset[str]) -> QueueLimits:
    most = {name: getattr(queue, f"max_{name}") for name in SIZES}
    highest = {role: getattr(queue, f"max_priority_{role}") for role in (Role.MEMBER.value, Role.ADMIN.value)}
    return QueueLimits(
        queue.name,
        queue.max_runtime_seconds,
        queue.default_runtime_seconds,
        {name: limit for name, limit in most.items() if limit is not None},
        {role: limit for role, limit in highest.items() if limit is not None},
        projects,
        of_each_user(queue),
    )
