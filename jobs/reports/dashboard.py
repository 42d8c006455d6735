"""The whole yard in numbers. It looks at what is not over, and at sums: a million jobs that ended make it no slower."""

from collections import defaultdict
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, Func, IntegerField, Sum

from jobs.models import Job, Placement, Queue
from jobs.models.queries import named_rows
from jobs.reports.pending_cost import pending_of
from jobs.usage import running_sums
from quotas.access import project_roles
from scheduling import memory_units
from scheduling.lifecycle import TERMINAL_STATES, JobState
from workers.models import Node
from workers.queries import in_use, with_liveness

# Many wait for the same: what it is called is taken apart once, and their reasons themselves, which are long, are not compared.
WAITING_FOR = """
    SELECT code, sum(n)::bigint FROM (
        SELECT jsonb_path_query_array(job.reasons, '$[*].code') AS codes, count(*) AS n FROM jobs_job AS job
        WHERE job.state = 'pending' AND (%(all)s OR job.project_id = ANY(%(projects)s)) GROUP BY 1
    ) AS alike, LATERAL (SELECT DISTINCT code FROM jsonb_array_elements_text(alike.codes) AS code) AS known
    GROUP BY code ORDER BY 2 DESC
"""
ALIVE = Node.Liveness.ALIVE.value
NOT_OVER = [state for state in JobState if state not in TERMINAL_STATES]


def job_counts() -> dict[str, int]:
    """All jobs by state; every state is there."""
    return _by_state(_counts(None)[0])


def dashboard(user: User) -> dict[str, Any]:
    """Jobs of the user's projects by state and queue, what they wait for and cost, and how full the machines are."""
    projects = None if user.is_staff else list(project_roles(user))
    counts, pending = _counts(projects)
    names = dict(Queue.objects.values_list("pk", "name"))
    queues = sorted((names.get(queue, "?"), by_state) for queue, by_state in counts.items())
    return {
        "jobs": _by_state(counts),
        "queues": [{"queue": name, "jobs": by_state} for name, by_state in queues],
        "waiting_for": dict(named_rows(WAITING_FOR, all=projects is None, projects=projects or [])),
        "fleet": _fleet(),
        "cost": {"currency": settings.CURRENCY, **running_sums.booked(projects)._asdict(), "pending": pending},
    }


def _counts(projects: Collection[int] | None) -> tuple[dict[int, dict[str, int]], Decimal]:
    """By queue and state, of the states alone that some job has; and what is expected of the cost of those that wait."""
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    jobs, pending = Job.objects.filter(state__in=NOT_OVER), Decimal(0)
    if projects is not None:
        jobs = jobs.filter(project__in=projects)
    expected = Sum("estimated_cost", filter=pending_of(), default=Decimal(0))
    for queue, state, count, cost in (
        jobs.order_by().values_list("queue", "state").annotate(n=Count("pk"), cost=expected)
    ):
        found[queue][state] = count
        pending += cost
    for queue, state, count in running_sums.ended(projects):
        found[queue][state] = count
    return found, pending


def _by_state(counts: dict[int, dict[str, int]]) -> dict[str, int]:
    return {state.value: sum(one.get(state, 0) for one in counts.values()) for state in JobState}


def _fleet() -> dict[str, Any]:
    """Summed up by the database: to read a thousand nodes takes longer than all the rest."""
    nodes = with_liveness(in_use(Node.objects.filter(removed_at__isnull=True))).order_by()
    gpus = Sum(Func("gpus", function="jsonb_array_length", output_field=IntegerField()))
    sums = {
        liveness: amounts
        for liveness, *amounts in nodes.values_list("alive_or").annotate(
            Count("pk"), Sum("cpus"), Sum("memory_mb"), devices=gpus
        )
    }
    held = Placement.objects.filter(closed_at__isnull=True, node__in=nodes.filter(alive_or=ALIVE).values("pk"))
    used = held.aggregate(
        cpus=Sum("cpus", default=0), memory=Sum("memory_mb", default=0), gpus=Sum("gpu_indices__len", default=0)
    )
    _, cpus, memory, devices = sums.get(ALIVE, (0, 0, 0, 0))
    return {
        "nodes": {liveness: sums.get(liveness, (0,))[0] for liveness in Node.Liveness.values},
        "gpus": {"total": devices, "used": used["gpus"]},
        "cpus": {"total": cpus, "used": used["cpus"]},
        "memory_gb": {
            "total": memory_units.rounded_gigabytes(memory),
            "used": memory_units.rounded_gigabytes(used["memory"]),
        },
    }
