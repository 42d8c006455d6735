"""Where the job makes the machine busy least: the load is even over all nodes, large and small."""

from collections.abc import Iterator

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.resources import WHOLE_GPU, Request


class LeastLoaded(PlacementStrategy):
    """The nodes whose busiest resource would be least busy with the request on it, in parts of what the node has.

    Unlike `spread`, which counts jobs, it measures: a small node with one job may be fuller than a large one with ten.
    A request without GPUs goes to a node that has GPUs only when no node without fits.
    """

    name = "least_loaded"
    order = "where the busiest resource would be least busy"

    def in_words(self, request: Request, node: FreeNode) -> str:
        """How busy it would be."""
        return f"would be {load_with(request, node):.0%} busy"

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        return iter(sorted(room.nodes(request), key=lambda node: _key(request, node)))


def _key(request: Request, node: FreeNode) -> tuple[bool, float, int]:
    return (not request.gpus and bool(node.kind), load_with(request, node), node.number)


def load_with(request: Request, node: FreeNode) -> float:
    """How busy the busiest of its CPUs, memory and GPUs would be with the request on it: 0 idle, 1 full."""
    amount = request.amount
    return max(
        _busy(node.view.cpus, node.cpus - amount.cpus),
        _busy(node.view.memory_mb, node.memory_mb - amount.memory_mb),
        _busy(WHOLE_GPU * len(node.order), node.gpu_milli - amount.all_gpu_milli),
    )


def _busy(whole: int, free: int) -> float:
    return 1 - free / whole if whole else 0.0


LEAST_LOADED = LeastLoaded()
