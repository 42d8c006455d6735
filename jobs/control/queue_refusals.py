"""What queues have against changes of jobs that wait: a limit that holds at submission is not got round by a change."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User

from jobs.control.verbs import ActionRequest, Decision
from jobs.models import Job, Queue
from jobs.planning import snapshot
from jobs.planning.queue_limits import limits_of
from quotas.access import project_roles
from quotas.models import Project
from scheduling.errors import FieldError
from scheduling.resources import Request
from scheduling.sharing.queue_limits import QueueLimits
from scheduling.snapshot import ProjectView, chain_of

LIMITED = frozenset({"priority", "queue_id", "max_runtime_seconds"})


def refused(jobs: Sequence[Job], asked: ActionRequest) -> dict[int, Decision]:
    """The refusals of those jobs that the change would take beyond the limits of their queue."""
    if not jobs or not LIMITED.intersection(asked.columns):
        return {}
    ids = {asked.columns.get("queue_id", job.queue_id) for job in jobs}
    queues = {queue.pk: queue for queue in Queue.objects.filter(pk__in=ids)}
    limits = limits_of(queues.values())
    if all(one == QueueLimits(one.name) for one in limits.values()):
        return {}
    roles, tree, slugs = _roles(asked.actor), {one.slug: one for one in snapshot.projects()}, _slugs(jobs)
    told = {}
    for job in jobs:
        queue = limits[queues[asked.columns.get("queue_id", job.queue_id)].name]
        faults = list(_faults(job, asked.columns, queue, roles.get(job.project_id, ""), slugs[job.project_id], tree))
        if faults:
            told[job.pk] = Decision(f"Job {job.pk} stays as it is. {faults[0].message}")
    return told


def _faults(
    job: Job, columns: Mapping[str, Any], queue: QueueLimits, role: str, slug: str, tree: Mapping[str, ProjectView]
) -> Iterator[FieldError]:
    """Of what is changed alone: a limit that came later does not keep anybody from anything else."""
    moves = columns.get("queue_id", job.queue_id) != job.queue_id
    if moves:
        yield from queue.refuses_project({one.slug for one in chain_of(slug, tree)})
        yield from queue.refuses_size(Request(job.cpus, job.memory_mb, job.gpus, nodes=job.nodes))
    if moves or "max_runtime_seconds" in columns:
        yield from queue.refuses_runtime(columns.get("max_runtime_seconds", job.max_runtime_seconds))
    if moves or columns.get("priority", job.priority) > job.priority:
        yield from queue.refuses_priority(columns.get("priority", job.priority), role)


def _roles(actor: str) -> Mapping[int, str]:
    user = User.objects.filter(username=actor).first()
    return project_roles(user) if user is not None else {}


def _slugs(jobs: Sequence[Job]) -> dict[int, str]:
    return dict(Project.objects.filter(pk__in={job.project_id for job in jobs}).values_list("pk", "slug"))
