"""The slow and obvious way to work out what the planner works out fast: for properties to compare with."""

from collections.abc import Iterable

from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.planning.plan import Plan
from scheduling.resources import ZERO, Request, Resources
from scheduling.snapshot import Allocation, Gpu, RunningJob, Snapshot


def then_running(world: Snapshot, plan: Plan) -> tuple[RunningJob, ...]:
    """What runs once the plan is carried out."""
    jobs = {job.id: job for job in world.waiting}
    new = (
        RunningJob(one.job_id, jobs[one.job_id].project, jobs[one.job_id].queue, 50, one.shares)
        for one in plan.placements
    )
    return (*world.running, *new)


def all_shares(world: Snapshot, plan: Plan) -> list[Allocation]:
    return [share for job in then_running(world, plan) for share in job.shares]


def held_on(node: str, shares: Iterable[Allocation]) -> Resources:
    return sum((share.amount for share in shares if share.node == node), ZERO)


def usage(running: Iterable[RunningJob], world: Snapshot) -> dict[str, dict[str, int]]:
    """What each project and all below it hold, worked out from the top down."""
    parents = {project.slug: project.parent for project in world.projects}

    def is_below(slug: str | None, top: str) -> bool:
        return slug is not None and (slug == top or is_below(parents[slug], top))

    jobs = list(running)
    return {
        top: {
            "gpus": sum(share.amount.gpus for job in jobs if is_below(job.project, top) for share in job.shares),
            "cpus": sum(share.amount.cpus for job in jobs if is_below(job.project, top) for share in job.shares),
            "memory_mb": sum(s.amount.memory_mb for job in jobs if is_below(job.project, top) for s in job.shares),
            "running_jobs": sum(is_below(job.project, top) for job in jobs),
        }
        for top in parents
    }


def good_gpus(request: Request, gpus: Iterable[Gpu]) -> list[Gpu]:
    return [
        gpu
        for gpu in gpus
        if gpu.memory_mb >= request.gpu_memory_mb and request.gpu_model.lower() in ("", *gpu.model.lower().split())
    ]


def suits(request: Request, share: Allocation, world: Snapshot) -> bool:
    node = next(node for node in world.nodes if node.name == share.node)
    given = [gpu for gpu in node.gpus if gpu.index in share.gpu_indices]
    return (
        node.state == "up"
        and node.alive
        and len(given) == request.gpus == len(share.gpu_indices)
        and good_gpus(request, given) == given
    )


def fits(request: Request, node: FreeNode) -> bool:
    enough_gpus = not request.gpus or len(good_gpus(request, node.gpus)) >= request.gpus
    return enough_gpus and request.cpus <= node.cpus and request.memory_mb <= node.memory_mb


def fullest_that_fits(request: Request, free: FreeNodes) -> str | None:
    def left(node: FreeNode) -> tuple[int, ...]:
        largest = max((gpu.memory_mb for gpu in node.view.gpus), default=0)
        spared = largest if request.gpus else int(bool(node.view.gpus))
        first = (spared, len(node.gpus)) if not request.gpus else (len(node.gpus), spared)
        return (*first, node.cpus, node.memory_mb, node.number)

    able = [node for node in free.nodes if fits(request, node)]
    return min(able, key=left).view.name if able else None


def smallest_shortfall(request: Request, free: FreeNodes) -> dict[str, int] | None:
    """By how little the closest node misses, of those that would do if they were empty; None if there is no such."""
    missing = [
        (
            max(0, request.gpus - len(good_gpus(request, node.gpus))) if request.gpus else 0,
            max(0, request.cpus - node.cpus),
            max(0, request.memory_mb - node.memory_mb),
        )
        for node in free.nodes
        if request.amount.fits_in(node.view.amount)
        and (not request.gpus or len(good_gpus(request, node.view.gpus)) >= request.gpus)
    ]
    if not missing:
        return None
    return {name: amount for name, amount in zip(("gpus", "cpus", "memory_mb"), min(missing), strict=True) if amount}
