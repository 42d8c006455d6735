"""Where the job's data already is: its data set, its checkpoint, its image."""

from collections.abc import Iterator, Sequence

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.placement.best_fit import BEST_FIT
from scheduling.plan_result import Decision
from scheduling.resources import Request
from scheduling.snapshot import Allocation, Snapshot


class Affinity(PlacementStrategy):
    """The nodes in `near`, in their order, then those that another strategy prefers. Nobody waits to be near."""

    name = "affinity"
    order = "where its data is, then packed as by best_fit"

    def __init__(self, otherwise: PlacementStrategy = BEST_FIT) -> None:
        self._otherwise = otherwise

    def prepare(self, snapshot: Snapshot) -> "Affinity":
        return Affinity(self._otherwise.prepare(snapshot))

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        near = [room.free[name] for name in dict.fromkeys(room.near) if name in room.free]
        yield from (node for node in near if room.has_place(request, node))
        numbers = {node.number for node in near}
        yield from (node for node in self._otherwise.preferred(request, room) if node.number not in numbers)

    def gpus_on(self, request: Request, node: FreeNode, room: Scope) -> tuple[int, ...]:
        return self._otherwise.gpus_on(request, node, room)

    def decision(self, request: Request, room: Scope, shares: Sequence[Allocation]) -> Decision | None:
        return self._otherwise.decision(request, room, shares)

    def in_words(self, request: Request, node: FreeNode) -> str:
        return self._otherwise.in_words(request, node)


AFFINITY = Affinity()
