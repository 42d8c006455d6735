"""The strategy that suits the situation, chosen anew for each request by rules that fit on one screen."""

from collections.abc import Iterator, Mapping

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.affinity import AFFINITY
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.placement.best_fit import BEST_FIT
from scheduling.placement.fgd import FGD
from scheduling.resources import Request
from scheduling.snapshot import Snapshot

CHOICES: Mapping[str, PlacementStrategy] = {one.name: one for one in (AFFINITY, BEST_FIT, FGD)}


class Selector(PlacementStrategy):
    """Near its data if it has any; by fragmentation if GPUs are shared in parts; packed otherwise.

    Packing is the rule for gangs, which need whole machines, and for CPU jobs, which gradient descent knows less of.
    """

    name = "auto"

    def __init__(self, choices: Mapping[str, PlacementStrategy] = CHOICES) -> None:
        self._choices = choices

    def prepare(self, snapshot: Snapshot) -> "Selector":
        return Selector({name: one.prepare(snapshot) for name, one in self._choices.items()})

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        return self.choose(request, room).preferred(request, room)

    def gpus_on(self, request: Request, node: FreeNode, room: Scope) -> tuple[int, ...]:
        return self.choose(request, room).gpus_on(request, node, room)

    def choose(self, request: Request, room: Scope) -> PlacementStrategy:
        """The strategy for this request."""
        if any(name in room.free for name in room.near):
            return self._choices["affinity"]
        if request.is_part_of_gpu or (request.gpus and request.nodes == 1 and room.free.shares_gpus):
            return self._choices["fgd"]
        return self._choices["best_fit"]


AUTO = Selector()
