"""The first node by name that has a place: what every other strategy is compared with."""

from collections.abc import Iterator

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.resources import Request


class FirstFit(PlacementStrategy):
    """The nodes by name."""

    name = "first_fit"
    order = "the first node by name"

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        return room.nodes(request)


FIRST_FIT = FirstFit()
