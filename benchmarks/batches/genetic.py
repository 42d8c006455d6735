"""A batch of jobs placed together by a genetic search over the order in which they are placed.

Any order, decoded by a greedy strategy, is a possible plan: no child is ever invalid, gangs and constraints included. After
Davis, "Applying Adaptive Algorithms to Epistatic Domains" (1985), which gives the order crossover. The same seed gives
the same plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from numpy.random import Generator, default_rng

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement.best_fit import BEST_FIT
from scheduling.resources import WHOLE_GPU, Request
from scheduling.snapshot import Allocation

Thing = TypeVar("Thing")
Order: TypeAlias = tuple[int, ...]
Places: TypeAlias = tuple[tuple[Allocation, ...] | None, ...]
"""The shares of each of the requests, None for one that has no place."""
Worth: TypeAlias = tuple[int, int, int]
"""Of a plan: thousandths of GPUs given away, jobs placed, and GPUs left whole; the more the better, in this order."""


@dataclass(frozen=True, slots=True)
class Search:
    """How long to look. The first order tried is the one given, so the plan is never worse than placing in turn."""

    population: int = 16
    generations: int = 20
    mutation: float = 0.3  # how likely a child has two jobs swapped
    elite: int = 2  # orders that live on as they are
    seed: int = 0


def places(requests: Sequence[Request], free: FreeNodes, search: Search | None = None) -> Places:
    """A place for each of the requests beside the others, by the best order found; nothing is taken of `free`."""
    decoder = _Decoder(requests, free.copy())
    return decoder.places(evolved(decoder, len(requests), search or Search()))


class _Decoder:
    """Turns an order into places; what it takes for that it gives back."""

    def __init__(self, requests: Sequence[Request], free: FreeNodes) -> None:
        self._requests, self._free = requests, free
        self._known: dict[Order, Worth] = {}

    def places(self, order: Order) -> Places:
        found = self._take(order)
        self._give(found)
        return tuple(found.get(number) for number in range(len(self._requests)))

    def worth(self, order: Order) -> Worth:
        if order not in self._known:
            found = self._take(order)
            milli = sum(share.amount.all_gpu_milli for shares in found.values() for share in shares)
            whole = sum(len(node.gpus) for node in self._free.nodes if len(node.gpus) == len(node.order))
            self._give(found)
            self._known[order] = (milli, len(found), whole * WHOLE_GPU)
        return self._known[order]

    def _take(self, order: Order) -> dict[int, tuple[Allocation, ...]]:
        found: dict[int, tuple[Allocation, ...]] = {}
        for number in order:
            shares = BEST_FIT.place(self._requests[number], self._free)
            for share in shares or ():
                self._free.allocate(share, holder=number)
            if shares is not None:
                found[number] = shares
        return found

    def _give(self, found: dict[int, tuple[Allocation, ...]]) -> None:
        for number, shares in found.items():
            for share in shares:
                self._free.release(share, holder=number)


def evolved(decoder: _Decoder, length: int, search: Search) -> Order:
    """The best order that the search comes to. It ends early when every order is as good as the best."""
    dice = default_rng(search.seed)  # the same seed has to give the same plan
    given = tuple(range(length))
    if length < 2:
        return given
    crowd = [given, *(tuple(dice.permutation(length).tolist()) for _ in range(search.population - 1))]
    for _ in range(search.generations):
        crowd.sort(key=decoder.worth, reverse=True)
        if decoder.worth(crowd[0]) == decoder.worth(crowd[-1]):
            break
        parents = crowd[: max(2, len(crowd) // 2)]
        children = [_child(_two(parents, dice), search.mutation, dice) for _ in crowd[search.elite :]]
        crowd = [*crowd[: search.elite], *children]
    return max(crowd, key=decoder.worth)


def _child(parents: Sequence[Order], mutation: float, dice: Generator) -> Order:
    """A piece of the mother's order, the rest in the father's; now and then two jobs change places."""
    mother, father = parents
    start, end = sorted(_two(range(len(mother) + 1), dice))
    piece = mother[start:end]
    kept = set(piece)
    rest = [number for number in father if number not in kept]
    child = [*rest[:start], *piece, *rest[start:]]
    if dice.random() < mutation:
        one, other = _two(range(len(child)), dice)
        child[one], child[other] = child[other], child[one]
    return tuple(child)


def _two(things: Sequence[Thing], dice: Generator) -> tuple[Thing, Thing]:
    """Two different ones."""
    one, other = dice.choice(len(things), 2, replace=False)
    return things[int(one)], things[int(other)]
