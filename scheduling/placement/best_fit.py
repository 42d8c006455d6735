"""Where a request goes: the node that it fills up most, so that big holes stay for big jobs."""

from bisect import bisect_left

from scheduling.capacity import Entry, FreeNode, FreeNodes, GpuKind
from scheduling.placement.filters import suitable, suits
from scheduling.resources import Request
from scheduling.snapshot import Gpu, Share


def best_fit(request: Request, free: FreeNodes) -> Share | None:
    """The share that leaves the least over: fewest GPUs, then smallest GPUs, fewest CPUs, least memory, first name.

    A request without GPUs goes to a node that has GPUs only when no node without fits.
    """
    found = [
        (kind if request.gpus else kind != (), node)
        for kind, shelf in free.shelves.items()
        if _kind_suits(request, kind) and (node := _fullest_that_fits(request, shelf, free)) is not None
    ]
    if not found:
        return None
    _, node = min(found, key=lambda one: _leftover(request, *one))
    return Share(node.view.name, request.amount, _indices(request, node))


def _leftover(request: Request, kind: object, node: FreeNode) -> tuple[object, ...]:
    gpus, cpus, memory_mb, number = node.entry
    if not request.gpus:
        return (kind, gpus, cpus, memory_mb, number)
    return (gpus, max(gpu.memory_mb for gpu in node.view.gpus), cpus, memory_mb, number)


def _kind_suits(request: Request, kind: GpuKind) -> bool:
    return not request.gpus or any(suits(request, Gpu(0, model, memory)) for model, memory in kind)


def _fullest_that_fits(request: Request, shelf: list[Entry], free: FreeNodes) -> FreeNode | None:
    """Walks the shelf from the fullest node; each node that is too small lets it skip all that are alike."""
    at = bisect_left(shelf, (request.gpus, 0, 0, 0))
    while at < len(shelf):
        gpus, cpus, memory_mb, number = shelf[at]
        if cpus < request.cpus:
            at = bisect_left(shelf, (gpus, request.cpus, request.memory_mb, 0), at)
        elif memory_mb < request.memory_mb:
            at = bisect_left(shelf, (gpus, cpus, request.memory_mb, 0), at)
        elif request.gpus and len(suitable(request, free.nodes[number].gpus)) < request.gpus:
            at += 1
        else:
            return free.nodes[number]
    return None


def _indices(request: Request, node: FreeNode) -> tuple[int, ...]:
    """The smallest GPUs that do, then the lowest index."""
    return tuple(sorted(gpu.index for gpu in suitable(request, node.gpus)[: request.gpus])) if request.gpus else ()
