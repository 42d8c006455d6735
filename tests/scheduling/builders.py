"""Values for tests of the core: every keyword has a default, so that a test says only what matters to it."""

from itertools import count
from typing import Any

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement.best_fit import BEST_FIT
from scheduling.resources import Request, Resources
from scheduling.snapshot import (
    Allocation,
    Gpu,
    Limits,
    NodeView,
    ProjectView,
    QueueView,
    RunningJob,
    Snapshot,
    WaitingJob,
)

H100 = "NVIDIA H100 80GB HBM3"
T4 = "Tesla T4"
_ids = count(1)


def gpus(number: int = 8, *, model: str = H100, memory_mb: int = 81_559, first: int = 0) -> tuple[Gpu, ...]:
    return tuple(Gpu(index, model, memory_mb) for index in range(first, first + number))


def cpu_node(name: str = "cpu-1", *, cpus: int = 16, memory_mb: int = 65_536, **more: Any) -> NodeView:
    return NodeView(name, cpus, memory_mb, **more)


def gpu_node(
    name: str = "gpu-1", number: int = 8, *, cpus: int = 64, memory_mb: int = 524_288, **more: Any
) -> NodeView:
    more.setdefault("gpus", gpus(number))
    return NodeView(name, cpus, memory_mb, **more)


def waiting(
    job_id: int | None = None,
    *,
    project: str = "vision",
    queue: str = "default",
    priority: int = 50,
    submitted_at: float | None = None,
    request: Request | None = None,
    **more: Any,
) -> WaitingJob:
    """A job in line that asks for one CPU; without a time of its own it came in the order of its id."""
    number = next(_ids) if job_id is None else job_id
    came = float(number) if submitted_at is None else submitted_at
    return WaitingJob(number, project, queue, priority, came, request or Request(), **more)


def share(node: str = "gpu-1", *, cpus: int = 1, memory_mb: int = 0, gpu_indices: tuple[int, ...] = ()) -> Allocation:
    return Allocation(node, Resources(cpus, memory_mb, len(gpu_indices)), gpu_indices)


def running(
    job_id: int = 900,
    *shares: Allocation,
    project: str = "vision",
    queue: str = "default",
    priority: int = 50,
) -> RunningJob:
    return RunningJob(job_id, project, queue, priority, shares or (share(),))


def snapshot(
    *jobs: WaitingJob,
    running: tuple[RunningJob, ...] = (),
    nodes: tuple[NodeView, ...] | None = None,
    queues: tuple[QueueView, ...] = (QueueView("live", 20), QueueView("default", 10), QueueView("batch", 0)),
    projects: tuple[ProjectView, ...] = (ProjectView("vision"),),
) -> Snapshot:
    """One CPU node and one node of 8 GPUs, unless told otherwise."""
    return Snapshot(jobs, running, (cpu_node(), gpu_node()) if nodes is None else nodes, queues, projects)


def limited(slug: str = "vision", *, parent: str | None = None, **limits: Any) -> ProjectView:
    return ProjectView(slug, parent, Limits(**limits))


def best_fit(request: Request, free: FreeNodes) -> Allocation | None:
    """The first share of the nodes that the request fills up most."""
    found = BEST_FIT.place(request, free)
    return found[0] if found else None
