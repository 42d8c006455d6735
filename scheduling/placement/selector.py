"""The strategy that suits the situation, chosen anew for each request by rules that fit on one screen."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.affinity import AFFINITY
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.placement.best_fit import BEST_FIT
from scheduling.placement.fgd import FGD
from scheduling.plan_result import Candidate, Decision
from scheduling.resources import Request
from scheduling.snapshot import Allocation, Snapshot

CHOICES: Mapping[str, PlacementStrategy] = {one.name: one for one in (AFFINITY, BEST_FIT, FGD)}


class Choice(NamedTuple):
    """The strategy for one request, and why that one."""

    strategy: PlacementStrategy
    why: str


class Selector(PlacementStrategy):
    """Near its data if it has any; by fragmentation if GPUs are shared in parts; packed otherwise.

    Packing is the rule for gangs, which need whole machines, and for CPU jobs, which gradient descent knows less of.
    """

    name = "auto"
    order = "by the strategy that suits the job: affinity, fgd or best_fit"

    def __init__(self, choices: Mapping[str, PlacementStrategy] = CHOICES) -> None:
        self._choices = choices

    def prepare(self, snapshot: Snapshot) -> "Selector":
        return Selector({name: one.prepare(snapshot) for name, one in self._choices.items()})

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        return self.choose(request, room).strategy.preferred(request, room)

    def gpus_on(self, request: Request, node: FreeNode, room: Scope) -> tuple[int, ...]:
        return self.choose(request, room).strategy.gpus_on(request, node, room)

    def candidates(self, request: Request, room: Scope, most: int) -> tuple[Candidate, ...]:
        return self.choose(request, room).strategy.candidates(request, room, most)

    def decision(self, request: Request, room: Scope, shares: Sequence[Allocation]) -> Decision | None:  # noqa: ARG002
        picked, why = self.choose(request, room)
        return Decision(self.name, picked.name, why)

    def choose(self, request: Request, room: Scope) -> Choice:
        """What is picked for this request."""
        if any(name in room.free for name in room.near):
            return Choice(self._choices["affinity"], "A node that holds its data takes jobs.")
        if request.is_part_of_gpu:
            return Choice(self._choices["fgd"], "It wants a part of a GPU.")
        if request.gpus and request.nodes == 1 and room.free.shares_gpus:
            return Choice(self._choices["fgd"], "It wants whole GPUs where parts of others are given away.")
        return Choice(self._choices["best_fit"], _why_packed(request))


def _why_packed(request: Request) -> str:
    if not request.gpus:
        return "It wants no GPU."
    return "It wants several nodes." if request.nodes > 1 else "All GPUs are given away whole."


AUTO = Selector()
