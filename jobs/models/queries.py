"""Questions about many jobs, each in a fixed number of statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, DurationField, F, Max, Q, QuerySet, Sum

from jobs.models import Attempt, Cycle, Job, Placement
from quotas.access import project_roles
from scheduling.errors import NotFoundError
from scheduling.lifecycle import JobState

IDLE_AFTER = timedelta(minutes=5)
"""So long GPUs do nothing between two epochs as well."""
NOT_SHOWN = ("node__gpus", "node__load", "node__labels", "owner__password",
             "snapshot__manifest", "snapshot__blobs", "snapshot__diff")  # fmt: skip
POSITIONS = """
    SELECT line.job_id, line.position
    FROM jobs_cycle, unnest(jobs_cycle.line) WITH ORDINALITY AS line(job_id, position)
    WHERE line.job_id = ANY(%s)
"""
IDLE_SINCE = """
    SELECT attempt.job_id, active.at
    FROM jobs_attempt AS attempt
    CROSS JOIN LATERAL (
        SELECT max(gpus_active_at) AS at FROM jobs_placement WHERE attempt_id = attempt.id AND closed_at IS NULL
    ) AS active
    WHERE attempt.job_id = ANY(%s) AND attempt.ended_at IS NULL
      AND EXISTS (SELECT FROM jobs_idlegpustep WHERE attempt_id = attempt.id AND at > active.at)
"""
NEEDS = """
    SELECT link.job_id, array_agg(link.needs_id ORDER BY link.id), array_agg(link.after ORDER BY link.id),
           array_agg(needed.state ORDER BY link.id)
    FROM jobs_jobdependency AS link JOIN jobs_job AS needed ON needed.id = link.needs_id
    WHERE link.job_id = ANY(%s)
    GROUP BY link.job_id
"""


class Needed(NamedTuple):
    """A job that has to end before another one starts."""

    job: int
    after: str
    state: str


def rows(statement: LiteralString, *arguments: Any) -> list[Any]:
    """All that a plain statement finds."""
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return cursor.fetchall()


def named_rows(statement: LiteralString, **values: Any) -> list[Any]:
    """The same of one whose arguments have names."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def visible_jobs(user: User) -> QuerySet[Job]:
    """The jobs that `user` may see, with what it takes to show them."""
    jobs = Job.objects.select_related("project", "queue", "owner", "node", "workload", "snapshot").defer(*NOT_SHOWN)
    return jobs if user.is_staff else jobs.filter(project__in=list(project_roles(user)))


def find_job(user: User, job_id: int) -> Job:
    """Raises NotFoundError when there is no such job, or none that `user` may see."""
    job = visible_jobs(user).filter(pk=job_id).first()
    if job is None:
        raise NotFoundError(f"There is no job {job_id}.")
    return job


def positions_of(jobs: Iterable[Job]) -> dict[int, int]:
    """The places in line, 1 first, of those of `jobs` that wait and that could start once there is room, by the last cycle.

    Who has been held since has none.
    """
    waiting = [job.pk for job in jobs if job.state == JobState.PENDING and job.held_at is None]
    if not waiting:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(POSITIONS, [waiting])
        return dict(cursor.fetchall())


def needs_of(jobs: Iterable[Job]) -> dict[int, list[Needed]]:
    """What each of them depends on, in the order in which it was said."""
    with connection.cursor() as cursor:
        cursor.execute(NEEDS, [[job.pk for job in jobs]])
        return {job_id: list(map(Needed, *columns)) for job_id, *columns in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Ran:
    """For how long the attempts of a job that are over have run, all together, and since when one runs now.

    `idle_since`: since when none of its GPUs has worked, if the job was warned of that.
    """

    seconds: float | None = None
    since: datetime | None = None
    idle_since: datetime | None = None


NEVER_RAN = Ran()


def ran(jobs: Sequence[Job]) -> dict[int, Ran]:
    """Of those of `jobs` that have run."""
    tried = [job.pk for job in jobs if job.started_at is not None]
    if not tried:
        return {}
    over = Sum(F("ended_at") - F("started_at"), output_field=DurationField())
    rows = Attempt.objects.filter(job__in=tried, started_at__isnull=False).order_by().values_list("job_id")
    found: Iterable[Any] = rows.annotate(over=over, since=Max("started_at", filter=Q(ended_at__isnull=True)))
    idle = _idle_since([job.pk for job in jobs if job.gpus and job.state == JobState.RUNNING])
    return {
        job_id: Ran(span.total_seconds() if span else 0.0, since, idle.get(job_id)) for job_id, span, since in found
    }


def _idle_since(job_ids: list[int]) -> dict[int, datetime]:
    if not job_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(IDLE_SINCE, [job_ids])
        return dict(cursor.fetchall())


def line_length() -> int:
    """How many jobs have a place in line."""
    return Cycle.objects.values_list("line__len", flat=True).first() or 0


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """What open placements hold of one node."""

    jobs: int = 0
    cpus: int = 0
    memory_mb: int = 0
    gpus: int = 0
    idle_gpus: int = 0  # of them, those of jobs of which none has worked for `IDLE_AFTER`


UNUSED = NodeUsage()


HELD = {
    "jobs": Count("pk"),
    "cpus": Sum("cpus", default=0),
    "memory_mb": Sum("memory_mb", default=0),
    "gpus": Sum("gpu_indices__len", default=0),
    "idle_gpus": Sum("gpu_indices__len", filter=Q(gpus_active_at__lt=F("gpus_measured_at") - IDLE_AFTER), default=0),
}


def usage_by_node() -> dict[int, NodeUsage]:
    """By node id; a node on which nothing is placed is not in it."""
    return {node_id: NodeUsage(*map(int, amounts)) for node_id, *amounts in held_by_node()}


def held_by_node() -> QuerySet[Any, tuple[int, ...]]:
    """The id of each node on which something is placed, and what is held there in the order of a `NodeUsage`."""
    rows = Placement.objects.filter(closed_at__isnull=True).order_by().values_list("node_id")
    return rows.annotate(**HELD)
