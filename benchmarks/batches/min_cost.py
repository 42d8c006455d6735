"""A batch of jobs placed together at the least cost, instead of one after the other.

The assignment problem is solved by shortest augmenting paths (Jonker and Volgenant, 1987; the Hungarian method with
potentials), written here in numpy: scipy has the same algorithm, but the core does without scipy, and a solver handed in
from outside would make plans depend on what is installed. 64 different jobs on 1,000 nodes take half a second, nearly all
of it to score them.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement.base import Asked, Scope
from scheduling.placement.best_fit import BEST_FIT
from scheduling.placement.scores import JobScore, WeightedScore
from scheduling.resources import Request
from scheduling.snapshot import Allocation, WaitingJob

Costs: TypeAlias = NDArray[np.float64]
Places: TypeAlias = dict[int, tuple[Allocation, ...]]
"""The shares of each job that has a place, by its number."""
NEVER = 1e9
"""The cost of a place that is none. More than all real costs together."""


def places(jobs: Sequence[WaitingJob], free: FreeNodes, scores: WeightedScore, asked: Asked) -> Places:
    """A place for each of the jobs beside the others, as far as there is one; nothing is taken of `free`.

    In rounds: each gives every node at most one job, to as many jobs as possible; the next has what is then left.
    Gangs are placed after the others, one after the other.
    """
    left, found = free.copy(), dict[int, tuple[Allocation, ...]]()
    judges = {job.id: scores.for_job(asked._replace(job=job)) for job in jobs}
    todo = {job.id: job for job in jobs if job.request.nodes == 1}
    while given := _round(todo, left, judges):
        for number, share in given.items():
            left.allocate(share, holder=number)
            found[number] = (share,)
            del todo[number]
    for job in jobs:
        shares = judges[job.id].place(job.request, left) if job.request.nodes > 1 else None
        for share in shares or ():
            left.allocate(share, holder=job.id)
        if shares:
            found[job.id] = shares
    return found


def _round(todo: Mapping[int, WaitingJob], left: FreeNodes, judges: Mapping[int, JobScore]) -> dict[int, Allocation]:
    """At most one job for each node: the numbers of those that have a place now, and their shares."""
    if not todo or not left.nodes:
        return {}
    room = Scope(left)
    costs = np.stack([_costs(job.request, room, judges[job.id]) for job in todo.values()])
    return {
        job.id: BEST_FIT.share(job.request, left.nodes[column], room)
        for row, (job, column) in enumerate(zip(todo.values(), assign(costs), strict=True))
        if column is not None and costs[row, column] < NEVER
    }


def _costs(request: Request, room: Scope, judge: JobScore) -> Costs:
    costs: Costs = np.full(len(room.free.nodes), NEVER)
    for number, cost in judge.costs(request, room):
        costs[number] = cost
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
