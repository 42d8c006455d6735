"""The nodes that are kept for the job's own project before those that anybody may have."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.resources import Request
from scheduling.snapshot import ProjectView, Reservation


class KeptNode(NamedTuple):
    """A node that is kept for one of the projects above a job, from when to when; 0 is the job's own project."""

    distance: int
    name: str
    start: float
    end: float


Kept: TypeAlias = Sequence[KeptNode]


def kept_for(chain: Sequence[ProjectView], reserved: Sequence[Reservation]) -> Kept:
    """What is kept for the first of these projects, or for all below one of the others."""
    distance = {project.slug: steps for steps, project in enumerate(chain)}
    return tuple(
        KeptNode(distance[one.project], name, one.start, one.end)
        for one in reserved
        if one.project in distance
        for name in one.nodes
    )


class OwnFirst(PlacementStrategy):
    """As another strategy prefers, but first among the nodes that are kept for the job while it would run.

    Those that are kept for the fewest come first: nobody else may fill what it leaves empty there.
    """

    name = "own_first"

    def __init__(self, otherwise: PlacementStrategy, kept: Kept, start: float, end: float) -> None:
        self._otherwise = otherwise
        self._kept = [one for one in kept if one.start < end and start < one.end]

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        with_room = [
            one for one in self._kept if one.name in room.free and room.has_place(request, room.free[one.name])
        ]
        seen: set[str] = set()
        for distance in sorted({one.distance for one in with_room}):
            own = {one.name for one in with_room if one.distance == distance} - seen
            others = frozenset(node.view.name for node in room.free.nodes) - own
            yield from self._otherwise.preferred(request, room._replace(closed=room.closed | others))
            seen |= own
        room = room._replace(closed=room.closed | seen) if seen else room
        yield from self._otherwise.preferred(request, room)

    def gpus_on(self, request: Request, node: FreeNode, room: Scope) -> tuple[int, ...]:
        return self._otherwise.gpus_on(request, node, room)
