"""What a placement strategy is: it says on which nodes a request goes, and takes nothing."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from itertools import islice
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Protocol

from scheduling.nodes.feasibility import suits_choice
from scheduling.nodes.free_nodes import NO_CEILING, FreeNode, FreeNodes
from scheduling.plan_result import Candidate, Decision
from scheduling.resources import Request
from scheduling.snapshot import Allocation, NodeView, Snapshot, WaitingJob

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
        return bool(self.ceiling or self.closed or request.is_choosy)

    def admits(self, request: Request, node: FreeNode) -> bool:
        """Whether the node may be used, for a request that is not more than what is free there."""
        if node.view.name in self.closed or not suits_choice(request, node.view):
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


class Rate(Protocol):
    """What a share of a node costs, as time goes by."""

    def over(self, start: float, end: float) -> float | Fraction:
        """What comes together from `start` to `end`."""

    def __bool__(self) -> bool: ...


class Rates(Protocol):
    """What nodes cost."""

    def on_node(self, request: Request, node: NodeView) -> Rate:
        """What the request's share of that node costs."""


class Asked(NamedTuple):
    """A job that is to be placed, and what a strategy may go by beside its request and the nodes.

    `tries` counts the jobs of each kind that hold a place on each type of machine, those of this pass too.
    """

    job: WaitingJob
    now: float
    rates: Rates | None = None
    tries: Mapping[tuple[str, str], int] = MappingProxyType({})


class PlacementStrategy(ABC):
    """An order of preference among the nodes where a request has a place. It depends on its arguments only."""

    name: ClassVar[str]
    order: ClassVar[str] = ""
    """That order in words, for people: "by this, then by that"."""
    goes_by_job: ClassVar[bool] = False
    """Whether the order depends on the job beside its request: then `for_job` gives the strategy for it."""

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

    def prepare(self, snapshot: Snapshot) -> "PlacementStrategy":  # noqa: ARG002 - for those who derive
        """The strategy for this snapshot: itself, or a copy that knows what it needs of it."""
        return self

    def for_job(self, asked: Asked) -> "PlacementStrategy":  # noqa: ARG002 - for those who derive
        """The strategy for this job: itself, or a copy that knows what it needs of it."""
        return self

    def candidates(self, request: Request, room: Scope, most: int) -> tuple[Candidate, ...]:
        """The best nodes where the request has a place, so many at the most, and what they are preferred by."""
        best = islice(self.preferred(request, room), most)
        return tuple(Candidate(node.view.name, words=self.in_words(request, node)) for node in best)

    def in_words(self, request: Request, node: FreeNode) -> str:  # noqa: ARG002 - for those who derive
        """What the node is preferred by, where that is more than its name."""
        return ""

    def decision(self, request: Request, room: Scope, shares: Sequence[Allocation]) -> Decision | None:  # noqa: ARG002
        """Why it placed the request there a moment ago, before anything is taken; None: its order says all."""
        return None

    def share(self, request: Request, node: FreeNode, room: Scope, rank: int = 0) -> Allocation:
        """The request's share of a node that has a place for it."""
        if not request.gpus:
            return Allocation(node.view.name, request.amount, (), rank)
        return Allocation(node.view.name, request.amount, self.gpus_on(request, node, room), rank)

    def gpus_on(self, request: Request, node: FreeNode, room: Scope) -> tuple[int, ...]:
        """Which GPUs of that node it gets."""
        return node.gpus_for(request, room.ceiling.get(node.number)) or ()

    @abstractmethod
    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        """Every node where the request has a place, once, the best first."""
