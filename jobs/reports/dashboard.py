"""The whole yard in numbers."""

from collections import defaultdict
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, QuerySet

from jobs.models import Job
from jobs.models.queries import usage_by_node
from quotas.access import project_roles
from scheduling import memory_units
from scheduling.lifecycle import JobState
from workers.models import Node
from workers.queries import in_use, liveness_counts, nodes_now

WAITING_FOR = """
    SELECT reason ->> 'code', count(DISTINCT job.id)
    FROM jobs_job AS job, jsonb_array_elements(job.reasons) AS reason
    WHERE job.state = 'pending' AND (%(all)s OR job.project_id = ANY(%(projects)s))
    GROUP BY 1 ORDER BY 2 DESC
"""


def job_counts() -> dict[str, int]:
    """All jobs by state; every state is there."""
    return _by_state(Job.objects.all())


def dashboard(user: User) -> dict[str, Any]:
    """Jobs of the user's projects by state and queue, what they wait for, and how full the machines are."""
    projects = [] if user.is_staff else list(project_roles(user))
    jobs = Job.objects.all() if user.is_staff else Job.objects.filter(project__in=projects)
    queues: dict[str, dict[str, int]] = defaultdict(dict)
    for queue, state, count in jobs.order_by("queue__name").values_list("queue__name", "state").annotate(n=Count("pk")):
        queues[queue][state] = count
    return {
        "jobs": {state.value: sum(counts.get(state, 0) for counts in queues.values()) for state in JobState},
        "queues": [{"queue": name, "jobs": counts} for name, counts in queues.items()],
        "waiting_for": _waiting_for(projects, everything=user.is_staff),
        "fleet": _fleet(),
    }


def _by_state(jobs: QuerySet[Job]) -> dict[str, int]:
    counts = dict(jobs.order_by().values_list("state").annotate(n=Count("pk")))
    return {state.value: counts.get(state, 0) for state in JobState}


def _waiting_for(projects: list[int], *, everything: bool) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(WAITING_FOR, {"all": everything, "projects": projects})
        return dict(cursor.fetchall())


def _fleet() -> dict[str, Any]:
    nodes, held = list(in_use(nodes_now())), usage_by_node()
    alive = [node for node in nodes if node.liveness(node.now) == Node.Liveness.ALIVE]
    used = [held[node.pk] for node in alive if node.pk in held]
    memory = {"total": sum(node.memory_mb for node in alive), "used": sum(one.memory_mb for one in used)}
    return {
        "nodes": liveness_counts(nodes),
        "gpus": {"total": sum(len(node.gpus) for node in alive), "used": sum(one.gpus for one in used)},
        "cpus": {"total": sum(node.cpus for node in alive), "used": sum(one.cpus for one in used)},
        "memory_gb": {name: memory_units.rounded_gigabytes(amount) for name, amount in memory.items()},
    }
