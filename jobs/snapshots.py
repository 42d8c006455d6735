"""Rows to a Snapshot: the only translator between the database and the scheduling core."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F

from jobs import preemptions
from jobs.knobs import rules
from jobs.models import Job, JobDependency, Placement, Queue
from quotas.models import Project, Quota
from scheduling.lifecycle import JobState
from scheduling.resources import Amount, Request
from scheduling.snapshot import (
    Gpu,
    Limits,
    NodeView,
    ProjectView,
    QueueView,
    RunningJob,
    Share,
    Snapshot,
    WaitingJob,
)
from workers.models import Node

NOBODY: Mapping[int, int] = {}
BROKEN_STATES = frozenset({JobState.FAILED, JobState.CANCELLED})


def take() -> Snapshot:
    """Everything that one planning pass looks at, read in the caller's transaction by the database's clock."""
    gave_way = preemptions.counts()
    return Snapshot(
        waiting=waiting(gave_way),
        running=running(gave_way),
        nodes=nodes(),
        queues=queues(),
        projects=projects(),
        taken_at=database_now().timestamp(),
        rules=rules(),
        recent_preemptions=preemptions.recent(),
    )


def database_now() -> datetime:
    """The one clock by which leases and waits are measured."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def waiting(gave_way: Mapping[int, int] = NOBODY) -> tuple[WaitingJob, ...]:
    unmet, broken = _dependencies()
    near = preemptions.last_nodes()
    rows = Job.objects.filter(state=JobState.PENDING).order_by("pk")
    return tuple(
        WaitingJob(
            id=row[0],
            project=row[1],
            queue=row[2],
            priority=row[3],
            submitted_at=row[4].timestamp(),
            request=Request(*row[5:11]),
            owner=row[11] or "",
            max_runtime_seconds=row[12],
            estimated_runtime_seconds=row[13],
            deadline=_seconds(row[14]),
            not_before=_seconds(row[15]),
            unmet=tuple(unmet.get(row[0], ())),
            broken=tuple(broken.get(row[0], ())),
            checkpointable=row[16],
            preemptible=row[17],
            promised=row[18],
            preemptions=gave_way.get(row[0], 0),
            near=near.get(row[0], ()),
        )
        for row in rows.values_list(
            "pk", "project__slug", "queue__name", "priority", "created_at",
            "cpus", "memory_mb", "gpus", "gpu_memory_mb", "gpu_model", "nodes",
            "owner__username", "max_runtime_seconds", "estimated_runtime_seconds", "deadline", "not_before",
            "checkpointable", "preemptible", "promised",
        )
    )  # fmt: skip


def _dependencies() -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """For each waiting job the dependencies that are still to come, and those that will never come."""
    unmet: dict[int, list[int]] = defaultdict(list)
    broken: dict[int, list[int]] = defaultdict(list)
    rows = JobDependency.objects.filter(job__state=JobState.PENDING).exclude(needs__state=JobState.COMPLETED)
    for job_id, needs_id, state in rows.order_by("pk").values_list("job_id", "needs_id", "needs__state"):
        (broken if state in BROKEN_STATES else unmet)[job_id].append(needs_id)
    return unmet, broken


def running(gave_way: Mapping[int, int] = NOBODY) -> tuple[RunningJob, ...]:
    rows = Placement.objects.filter(closed_at__isnull=True).order_by("attempt__job_id", "rank")
    jobs: dict[int, list[Any]] = defaultdict(list)
    for row in rows.values_list(
        "attempt__job_id", "attempt__job__project__slug", "attempt__job__queue__name", "attempt__job__priority",
        "node__name", "cpus", "memory_mb", "gpu_indices", "rank",
        "attempt__started_at", "attempt__job__max_runtime_seconds", "attempt__job__checkpointable",
        "attempt__job__preemptible", "attempt__job__checkpoint_at", "attempt__job__desired",
    ):  # fmt: skip
        jobs[row[0]].append(row)
    return tuple(_running_job(job_id, rows, gave_way.get(job_id, 0)) for job_id, rows in jobs.items())


def _running_job(job_id: int, rows: Sequence[Any], gave_way: int) -> RunningJob:
    _, project, queue, priority, *_ = rows[0]
    started_at, max_runtime, checkpointable, preemptible, checkpoint_at, desired = rows[0][9:]
    started = _seconds(started_at)
    return RunningJob(
        id=job_id,
        project=project,
        queue=queue,
        priority=priority,
        shares=tuple(Share(row[4], Amount(row[5], row[6], len(row[7])), tuple(row[7]), row[8]) for row in rows),
        started_at=started,
        expected_end=started + max_runtime if started is not None and max_runtime else None,
        checkpointable=checkpointable,
        preemptible=preemptible,
        preemptions=gave_way,
        checkpoint_at=_seconds(checkpoint_at),
        leaving=bool(desired),
    )


def nodes() -> tuple[NodeView, ...]:
    """Every node that ever registered; one whose last heartbeat is older than a lease is not alive."""
    oldest = database_now().timestamp() - settings.LEASE_SECONDS
    return tuple(
        NodeView(
            name=node.name,
            cpus=node.cpus,
            memory_mb=node.memory_mb,
            gpus=tuple(Gpu(gpu["index"], gpu.get("model", ""), gpu.get("memory_mb", 0)) for gpu in node.gpus),
            state=node.state,
            alive=node.last_heartbeat_at is not None and node.last_heartbeat_at.timestamp() >= oldest,
            labels=node.labels,
        )
        for node in Node.objects.order_by("name")
    )


def queues() -> tuple[QueueView, ...]:
    return tuple(
        QueueView(queue.name, queue.rank, queue.state, queue.max_running, queue.policy)
        for queue in Queue.objects.order_by("name")
    )


def projects() -> tuple[ProjectView, ...]:
    rows: Iterable[Project] = (
        Project.objects.select_related("quota").annotate(parent_slug=F("parent__slug")).order_by("slug")
    )
    return tuple(ProjectView(row.slug, getattr(row, "parent_slug", None), _limits(row)) for row in rows)


def _limits(project: Project) -> Limits | None:
    quota: Quota | None = getattr(project, "quota", None)
    if quota is None:
        return None
    return Limits(
        gpus=quota.gpus,
        cpus=quota.cpus,
        memory_mb=quota.memory_mb,
        running_jobs=quota.running_jobs,
        waiting_jobs=quota.waiting_jobs,
        enforced=quota.enforced,
    )


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None
