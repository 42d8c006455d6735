"""A yard full of jobs as rows, written without the platform's own steps: for what is measured on a full database alone."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from jobs.models import Attempt, GpuHold, Job, Placement, Queue
from jobs.models.planning import UsageTally
from quotas.models import Project, Quota
from scheduling.lifecycle import JobState, PlacementState
from workers.models import Node

GPUS_A_NODE = 8


def fill(waiting: int, running: int, nodes: int, *, shapes: int, users: int, teams: int) -> None:
    """Jobs of so many shapes, each of one of `users` and one of `teams` below one organisation; each node has 8 GPUs."""
    owners = User.objects.bulk_create(User(username=f"user{number}") for number in range(users))
    above = Project.objects.create(slug="acme")
    projects = Project.objects.bulk_create(Project(slug=f"team-{number}", parent=above) for number in range(teams))
    Quota.objects.bulk_create(Quota(project=project, gpus=100_000) for project in [above, *projects])
    now = timezone.now()
    UsageTally.objects.bulk_create(
        UsageTally(project=project, owner=owner, used=1e6, as_of=now) for project in projects for owner in owners
    )
    queues = list(Queue.objects.all())

    def job(number: int, **fields: object) -> Job:
        shape = number % shapes
        return Job(
            name=f"train {number}", command=["true"], project=projects[number % teams], queue=queues[number % 3],
            owner=owners[number % users], priority=number * 7 % 101, cpus=4 + shape, memory_mb=16_384,
            gpus=1 + shape % 8, max_runtime_seconds=3_600 * (1 + shape) if shape % 2 else None,
            predicted_runtime_seconds=1_800.0 if shape % 3 else None, checkpointable=bool(shape % 2), **fields,
        )  # fmt: skip

    Job.objects.bulk_create((job(number) for number in range(waiting)), batch_size=1_000)
    machines = Node.objects.bulk_create(
        Node(name=f"gpu-{number:04}", cpus=64, memory_mb=1_048_576, gpus=_gpus(number), last_heartbeat_at=now)
        for number in range(nodes)
    )
    begun = now - timedelta(hours=1)
    running_jobs = Job.objects.bulk_create(
        job(number, state=JobState.RUNNING, attempt=1, started_at=begun) for number in range(running)
    )
    attempts = Attempt.objects.bulk_create(Attempt(job=one, number=1, started_at=begun) for one in running_jobs)
    placements = Placement.objects.bulk_create(
        Placement(
            attempt=attempt, node=machines[number % nodes], cpus=8, memory_mb=65_536,
            gpu_indices=[number // nodes % GPUS_A_NODE], state=PlacementState.RUNNING,
        )
        for number, attempt in enumerate(attempts)
    )  # fmt: skip
    GpuHold.objects.bulk_create(
        GpuHold(placement=one, node_id=one.node_id, index=index) for one in placements for index in one.gpu_indices
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _gpus(node: int) -> list[dict[str, object]]:
    return [
        {"index": index, "model": "NVIDIA H100 80GB HBM3", "memory_mb": 81_559, "uuid": f"GPU-{node}-{index}"}
        for index in range(GPUS_A_NODE)
    ]
