"""Who takes part in `benchmarks.quota_race` beside its clients: planners, an executor, a watcher; each in processes of their own."""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from random import Random
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.db import Error, connection

from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.models import AuditResult, Cycle, Job, Placement
from jobs.models.queries import rows
from jobs.planning import cycle
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.models import Membership, Project, Quota
from scheduling.lifecycle import EndReason, JobState, PlacementState
from workers import heartbeats
from workers.hardware.inventory import GpuDevice, Hardware
from workers.models import Node

BASE = "the quota's first half"
GPUS = 64
AGENT = uuid4()
HOLD_SECONDS = 0.15
"""A started job holds its GPUs for up to so long."""
BEAT_SECONDS = 5.0
PAUSE_SECONDS = 0.005
HELD_NOW = """
    SELECT coalesce(sum(cardinality(placement.gpu_indices)), 0) FROM jobs_placement AS placement
    JOIN jobs_attempt AS attempt ON attempt.id = placement.attempt_id JOIN jobs_job AS job ON job.id = attempt.job_id
    JOIN quotas_project AS project ON project.id = job.project_id
    WHERE placement.closed_at IS NULL AND project.slug = 'race'
"""
# At each moment at which one begins: what all those hold that have begun by then and end later.
INTERVALS = """
    WITH steps AS (
        SELECT created_at AS at, cardinality(gpu_indices) AS gpus FROM jobs_placement WHERE gpu_indices <> '{}'
        UNION ALL SELECT closed_at, -cardinality(gpu_indices) FROM jobs_placement WHERE gpu_indices <> '{}' AND closed_at IS NOT NULL
    )
    SELECT max(held), count(*) FILTER (WHERE held = %s)
    FROM (SELECT sum(gpus) OVER (ORDER BY at, gpus) AS held FROM steps) AS moments
"""


def prepare(slug: str, gpus: int) -> int:
    """The project with its quota, and a node with many more GPUs than that; answers the node's number."""
    project = Project.objects.create(slug=slug)
    Quota.objects.create(project=project, gpus=gpus)
    Membership.objects.create(project=project, user=User.objects.get(username="admin"), role="admin")
    hardware = Hardware(
        cpus=512, memory_mb=1_000_000, hostname="race", gpus=tuple(GpuDevice(n, "H100", 80_000) for n in range(GPUS))
    )
    node = heartbeats.register(name="race", hardware=hardware, agent_id=AGENT, labels={}, version="race")
    connection.close()
    return node.pk


def begin(node: int, limit: int, planners: int, starters: int) -> tuple[list[BaseProcess], Event, Any]:
    """All of them at work; they end with the event. The last is what the watcher saw: how often it looked, the most, how often the limit."""
    stop, looks = multiprocessing.Event(), multiprocessing.Array("q", 3)
    steps: Sequence[tuple[Callable[..., None], tuple[Any, ...]]] = (
        *((plan, (stop,)) for _ in range(planners)),
        *((execute, (stop, node, number)) for number in range(starters)),
        (watch, (stop, looks, limit)),
        (beat, (stop, node)),
    )
    processes = [multiprocessing.Process(target=target, args=given, daemon=True) for target, given in steps]
    for process in processes:
        process.start()
    return list(processes), stop, looks


def is_running(job: int) -> bool:
    return Job.objects.filter(pk=job, state=JobState.RUNNING).exists()


def history() -> dict[str, Any]:
    """From the rows, when all is over: the most held at any moment, by the intervals of all placements."""
    [(most, full)] = rows(INTERVALS, Quota.objects.get(project__slug="race").gpus)
    audited = AuditResult.objects.filter(pk=AuditResult.Books.QUOTAS).first() or AuditResult()
    found = {
        "placements": Placement.objects.count(),
        "cycles": Cycle.objects.get().count,
        "most held": most,
        "times full": full,
        "mended": sum(audited.mended.values()),
    }
    connection.close()
    return found


def plan(stop: Event) -> None:
    """Plans all the time, beside the stack's own planner and the other ones."""
    while not stop.is_set():
        _undisturbed(cycle.run_cycle)


def execute(stop: Event, node: int, number: int) -> None:
    """Claims and starts what is placed, and ends it after a moment; of two that want the same, one gets it."""
    dice = Random(number)  # noqa: S311 - no secret
    running: dict[PlacementRef, float] = {}

    def turn() -> None:
        found = Placement.objects.filter(node=node, state=PlacementState.PLACED).values_list("pk", "attempt__token")
        claimed = claims.claim([PlacementRef(pk, str(token)) for pk, token in found], node_id=node, agent_id=AGENT)
        claims.started({one.ref: datetime.now(UTC) for one in claimed}, node_id=node)
        now = time.monotonic()
        running.update((one.ref, now + dice.uniform(0, HOLD_SECONDS)) for one in claimed if one.job_name != BASE)
        over = [ref for ref, until in running.items() if until <= now]
        finish([PlacementOutcome(ref, EndReason.COMPLETED, exit_code=0) for ref in over])
        for ref in over:
            del running[ref]

    while not stop.is_set():
        _undisturbed(turn)
        time.sleep(PAUSE_SECONDS)


def watch(stop: Event, looks: Any, limit: int) -> None:
    """Adds up the rows of what is open, on a connection of its own."""
    while not stop.is_set():
        [(held,)] = rows(HELD_NOW)
        looks[0] += 1
        looks[1] = max(looks[1], int(held))
        looks[2] += held == limit
        time.sleep(PAUSE_SECONDS)


def beat(stop: Event, node: int) -> None:
    while not stop.wait(BEAT_SECONDS):
        mine = Placement.objects.filter(node=node, closed_at__isnull=True).values_list("pk", "attempt__token")
        heartbeats.beat(node_id=node, agent_id=AGENT, load={})
        claims.renew([PlacementRef(pk, str(token)) for pk, token in mine], node_id=node)
    Node.objects.filter(pk=node).update(state=Node.State.DOWN)


def _undisturbed(step: Callable[[], object]) -> None:
    """Of two that wait for one another PostgreSQL ends one: it tries again, as everybody does."""
    try:
        step()
    except Error:
        connection.close()
