"""Where a request goes: the node that it fills up most, so that big holes stay for big jobs."""

from bisect import bisect_left

from scheduling.capacity import FreeNode, FreeNodes
from scheduling.placement.filters import GpuKind, kind_suits, suitable
from scheduling.resources import Request
from scheduling.snapshot import Share


def best_fit(request: Request, free: FreeNodes) -> Share | None:
    """The share that leaves the least over: fewest GPUs, then smallest GPUs, fewest CPUs, least memory, first name.

    A request without GPUs goes to a node that has GPUs only when no node without fits.
    """
    found = [
        node
        for kind in free.shelves
        if _suits(request, kind) and (node := _fullest_that_fits(request, kind, free)) is not None
    ]
    if not found:
        return None
    node = found[0] if len(found) == 1 else min(found, key=lambda one: _leftover(request, one))
    return Share(node.view.name, request.amount, _indices(request, node))


def _suits(request: Request, kind: GpuKind) -> bool:
    return not request.gpus or any(kind_suits(request, model, memory_mb) for model, memory_mb in kind)


def _fullest_that_fits(request: Request, kind: GpuKind, free: FreeNodes) -> FreeNode | None:
    """Walks the shelf from the fullest node up; a node that is too small lets it skip all those that are alike."""
    shelf = free.shelves[kind]
    is_mixed = request.gpus > 0 and len(kind) > 1
    at = bisect_left(shelf, (request.gpus, 0, 0, 0))
    while at < len(shelf):
        gpus, cpus, memory_mb, number = shelf[at]
        if cpus < request.cpus:
            at = bisect_left(shelf, (gpus, request.cpus, request.memory_mb, 0), at)
        elif memory_mb < request.memory_mb:
            at = bisect_left(shelf, (gpus, cpus, request.memory_mb, 0), at)
        elif is_mixed and len(suitable(request, free.nodes[number].gpus)) < request.gpus:
            at += 1
        else:
            return free.nodes[number]
    return None


def _leftover(request: Request, node: FreeNode) -> tuple[bool | int, ...]:
    """What to compare nodes of different kinds by."""
    gpus, cpus, memory_mb, number = node.entry
    if not request.gpus:
        return (bool(node.kind), gpus, cpus, memory_mb, number)
    return (gpus, max(memory for _, memory in node.kind), cpus, memory_mb, number)


def _indices(request: Request, node: FreeNode) -> tuple[int, ...]:
    """The smallest GPUs that do, then the lowest index."""
    if not request.gpus:
        return ()
    usable = suitable(request, node.gpus) if len(node.kind) > 1 else node.gpus
    return tuple(sorted(gpu.index for gpu in usable[: request.gpus]))
