"""A batch of jobs placed together at the least cost, instead of one after the other.

The assignment problem is solved by shortest augmenting paths (Jonker and Volgenant, 1987; the Hungarian method with
potentials), written here in numpy: scipy has the same algorithm, but the core does without scipy, and a solver handed in
from outside would make plans depend on what is installed. 64 different jobs on 1,000 nodes take half a second, nearly all
of it to score them.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.placement.base import NOTHING_CLOSED, PlacementStrategy, Places, Scope
from scheduling.placement.scores import WEIGHTED, WeightedScore
from scheduling.resources import Request
from scheduling.snapshot import Allocation

Costs: TypeAlias = NDArray[np.float64]
NEVER = 1e9
"""The cost of a place that is none. More than all real costs together."""


class MinCost(PlacementStrategy):
    """A batch goes where the sum of its costs is least; a single request where its own is.

    In rounds: each gives every node at most one job, to as many jobs as possible; the next has what is then left.
    Gangs are placed after the others, one after the other.
    """

    name = "min_cost"

    def __init__(self, scores: WeightedScore = WEIGHTED) -> None:
        self._scores = scores

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        return self._scores.preferred(request, room)

    def place_all(
        self, requests: Sequence[Request], free: FreeNodes, *, closed: AbstractSet[str] = NOTHING_CLOSED
    ) -> Places:
        left = free.copy()
        places: dict[int, tuple[Allocation, ...] | None] = {}
        todo = {number: one for number, one in enumerate(requests) if one.nodes == 1}
        while found := self._round(todo, Scope(left, closed=closed)):
            for number, share in found.items():
                left.allocate(share, holder=number)
                places[number] = (share,)
                del todo[number]
        for number, request in enumerate(requests):
            if request.nodes > 1:
                places[number] = self._placed(number, request, left, closed)
        return tuple(places.get(number) for number in range(len(requests)))

    def _round(self, todo: Mapping[int, Request], room: Scope) -> dict[int, Allocation]:
        """At most one job for each node: the numbers of those that have a place now, and their shares."""
        if not todo or not room.free.nodes:
            return {}
        table = {request: self._costs(request, room) for request in set(todo.values())}
        costs = np.stack([table[request] for request in todo.values()])
        chosen = assign(costs)
        return {
            number: self.share(request, room.free.nodes[column], room)
            for row, ((number, request), column) in enumerate(zip(todo.items(), chosen, strict=True))
            if column is not None and costs[row, column] < NEVER
        }

    def _costs(self, request: Request, room: Scope) -> Costs:
        costs: Costs = np.full(len(room.free.nodes), NEVER)
        nodes = list(room.nodes(request))
        if nodes:
            costs[[node.number for node in nodes]] = self._scores.scores(request, nodes)
        return costs


def assign(costs: Costs) -> list[int | None]:
    """For each row its column, no column twice, so that the sum is least; None for rows beyond the number of columns."""
    rows, columns = costs.shape
    if rows > columns:
        by_column = assign(costs.T)
        row_of = {row: column for column, row in enumerate(by_column)}
        return [row_of.get(row) for row in range(rows)]
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1)
    for row in range(rows):
        _augment(row, costs, row_price, column_price, owner)
    found: list[int | None] = [None] * rows
    for column, row in enumerate(owner):
        if row >= 0:
            found[row] = column
    return found


def _augment(start: int, costs: Costs, row_price: Costs, column_price: Costs, owner: NDArray[np.int64]) -> None:
    """Give the row a column along the shortest path of reduced costs; those on the path move to others."""
    columns = len(column_price)
    distance, before = np.full(columns, np.inf), np.full(columns, -1)
    done = np.zeros(columns, dtype=bool)
    row, reached, last = start, 0.0, -1
    while row >= 0:
        through = reached + costs[row] - row_price[row] - column_price
        shorter = ~done & (through < distance)
        distance[shorter] = through[shorter]
        before[shorter] = last
        last = int(np.where(done, np.inf, distance).argmin())
        reached = float(distance[last])
        done[last] = True
        row = int(owner[last])
    row_price[start] += reached
    settled = done.copy()
    settled[last] = False
    row_price[owner[settled]] += reached - distance[settled]
    column_price[settled] -= reached - distance[settled]
    while last >= 0:
        previous = int(before[last])
        owner[last] = owner[previous] if previous >= 0 else start
        last = previous


MIN_COST = MinCost()
