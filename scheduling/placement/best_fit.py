"""The node that a request fills up most, so that big holes stay for big jobs."""

from bisect import bisect_left
from collections.abc import Iterator
from heapq import merge

from scheduling.nodes.feasibility import GpuKind, kind_suits
from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.reasons import listed, quantity
from scheduling.resources import WHOLE_GPU, Request


class BestFit(PlacementStrategy):
    """The nodes that leave the least over: fewest GPUs, then smallest GPUs, fewest CPUs, least memory, first name.

    Parts of GPUs that are left count as such. A request for a part gets the GPU of which least is left.
    A request without GPUs goes to a node that has GPUs only when no node without fits.
    """

    name = "best_fit"
    order = "where the least is left: GPUs, their memory, CPUs, memory, then the name"

    def in_words(self, request: Request, node: FreeNode) -> str:
        """What would be left there."""
        amount = request.amount
        gpus, cpus = (node.gpu_milli - amount.all_gpu_milli) / WHOLE_GPU, node.cpus - amount.cpus
        parts = [quantity("cpus", cpus), quantity("memory_mb", node.memory_mb - amount.memory_mb)]
        return f"leaves {listed([f'{gpus:g} GPUs', *parts] if node.order else parts)}"

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        walks = walks_of(request, room)
        return walks[0] if len(walks) == 1 else merge(*walks, key=lambda node: _leftover(request, node))


BEST_FIT = BestFit()


def walks_of(request: Request, room: Scope) -> list[Iterator[FreeNode]]:
    """Every node where the request has a place, once: for each kind of GPU the fullest first."""
    kinds = [
        kind
        for kind in room.free.shelves
        if not request.gpus or any(kind_suits(request, model, memory_mb) for model, memory_mb in kind)
    ]
    return [_fullest_first(request, kind, room) for kind in kinds]


def _fullest_first(request: Request, kind: GpuKind, room: Scope) -> Iterator[FreeNode]:
    """Walks the shelf from the fullest node up; a node that is too small lets it skip all those that are alike."""
    shelf, nodes = room.free.shelves[kind], room.free.nodes
    counts_gpus = request.gpus > 0 and (len(kind) > 1 or request.is_part_of_gpu)
    is_limited = room.limits(request)
    at = bisect_left(shelf, (request.amount.all_gpu_milli, 0, 0, 0)) if request.gpus else 0
    while at < len(shelf):
        gpu_milli, cpus, memory_mb, number = shelf[at]
        if cpus < request.cpus:
            at = bisect_left(shelf, (gpu_milli, request.cpus, request.memory_mb, 0), at)
            continue
        if memory_mb < request.memory_mb:
            at = bisect_left(shelf, (gpu_milli, cpus, request.memory_mb, 0), at)
            continue
        at += 1
        node = nodes[number]
        if (counts_gpus or node.is_shared) and not node.fits(request):
            continue
        if not is_limited or room.admits(request, node):
            yield node


def _leftover(request: Request, node: FreeNode) -> tuple[bool | int, ...]:
    """What to compare nodes of different kinds by."""
    gpu_milli, cpus, memory_mb, number = node.entry
    if not request.gpus:
        return (bool(node.kind), gpu_milli, cpus, memory_mb, number)
    return (gpu_milli, max(memory for _, memory in node.kind), cpus, memory_mb, number)
