"""Away from other jobs, so that the loss of one node hurts few of them."""

from collections.abc import Iterator

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.resources import Request


class Spread(PlacementStrategy):
    """The nodes with the fewest jobs, then the most free GPUs, CPUs and memory, then the first name.

    A request without GPUs goes to a node that has GPUs only when no node without fits.
    """

    name = "spread"
    order = "where the fewest jobs are, then where most is free"

    def in_words(self, request: Request, node: FreeNode) -> str:  # noqa: ARG002 - the same for all
        """How many jobs are there."""
        return f"{len(node.holders)} {'job' if len(node.holders) == 1 else 'jobs'} there"

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        return iter(sorted(room.nodes(request), key=lambda node: _crowd(request, node)))


def _crowd(request: Request, node: FreeNode) -> tuple[bool | int, ...]:
    wastes_gpus = not request.gpus and bool(node.kind)
    return (wastes_gpus, len(node.holders), -node.gpu_milli, -node.cpus, -node.memory_mb, node.number)


SPREAD = Spread()
