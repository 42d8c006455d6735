"""What a placement strategy is: it says on which nodes a request goes, and takes nothing."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import ClassVar, NamedTuple, TypeAlias

from scheduling.nodes.feasibility import has_labels
from scheduling.nodes.free_nodes import NO_CEILING, FreeNode, FreeNodes
from scheduling.resources import Request
from scheduling.snapshot import Allocation, Snapshot

Places: TypeAlias = tuple[tuple[Allocation, ...] | None, ...]
"""The shares of each of several requests, None for one that has no place."""

NOTHING_CLOSED: AbstractSet[str] = frozenset()


class Scope(NamedTuple):
    """Where one request may go: what is free, less what is kept for others.

    `ceiling` limits nodes by their number: what is used there must fit in the node and in its ceiling. Nodes named
    in `closed` may not be used at all. `near` are the nodes that hold the job's data, the best first.
    """

    free: FreeNodes
    near: Sequence[str] = ()
    ceiling: Mapping[int, FreeNode] = NO_CEILING
    closed: AbstractSet[str] = NOTHING_CLOSED

    def limits(self, request: Request) -> bool:
        """Whether more counts than what is free."""
        return bool(self.ceiling or self.closed or request.labels)

    def admits(self, request: Request, node: FreeNode) -> bool:
        """Whether the node may be used, for a request that is not more than what is free there."""
        if node.view.name in self.closed or not has_labels(request, node.view):
            return False
        under = self.ceiling.get(node.number)
        return under is None or (
            request.cpus <= under.cpus
            and request.memory_mb <= under.memory_mb
            and (not request.gpus or node.gpus_for(request, under) is not None)
        )

    def has_place(self, request: Request, node: FreeNode) -> bool:
        return node.fits(request) and (not self.limits(request) or self.admits(request, node))

    def nodes(self, request: Request) -> Iterator[FreeNode]:
        """Every node where the request has a place, by name."""
        return (node for node in self.free.nodes if self.has_place(request, node))


class PlacementStrategy(ABC):
    """An order of preference among the nodes where a request has a place. It depends on its arguments only."""

    name: ClassVar[str]

    def place(
        self,
        request: Request,
        free: FreeNodes,
        *,
        near: Sequence[str] = (),
        ceiling: Mapping[int, FreeNode] = NO_CEILING,
        closed: AbstractSet[str] = NOTHING_CLOSED,
    ) -> tuple[Allocation, ...] | None:
        """A share on each of `request.nodes` distinct nodes, by rank, or None: all or nothing. Nothing is taken yet."""
        room = Scope(free, near, ceiling, closed)
        if request.nodes == 1:  # most are, and this is where a plan spends its time
            node = next(self.preferred(request, room), None)
            return None if node is None else (self.share(request, node, room),)
        chosen = list(islice(self.preferred(request, room), request.nodes))
        if len(chosen) < request.nodes:
            return None
        return tuple(self.share(request, node, room, rank) for rank, node in enumerate(chosen))

    def place_all(
        self, requests: Sequence[Request], free: FreeNodes, *, closed: AbstractSet[str] = NOTHING_CLOSED
    ) -> Places:
        """A place for each of the requests beside the others, as far as there is one; nothing is taken of `free`.

        One after the other, unless a strategy looks at all of them together.
        """
        left = free.copy()
        return tuple(self._placed(number, request, left, closed) for number, request in enumerate(requests))

    def prepare(self, snapshot: Snapshot) -> "PlacementStrategy":  # noqa: ARG002 - for those who derive
        """The strategy for this snapshot: itself, or a copy that knows what it needs of it."""
        return self

    def share(self, request: Request, node: FreeNode, room: Scope, rank: int = 0) -> Allocation:
        """The request's share of a node that has a place for it."""
        if not request.gpus:
            return Allocation(node.view.name, request.amount, (), rank)
        return Allocation(node.view.name, request.amount, self.gpus_on(request, node, room), rank)

    def gpus_on(self, request: Request, node: FreeNode, room: Scope) -> tuple[int, ...]:
        """Which GPUs of that node it gets."""
        return node.gpus_for(request, room.ceiling.get(node.number)) or ()

    def _placed(
        self, holder: int, request: Request, left: FreeNodes, closed: AbstractSet[str]
    ) -> tuple[Allocation, ...] | None:
        shares = self.place(request, left, closed=closed)
        for one in shares or ():
            left.allocate(one, holder=holder)
        return shares

    @abstractmethod
    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        """Every node where the request has a place, once, the best first."""
