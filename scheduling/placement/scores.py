"""The node with the best score: a weighted sum of what a job costs there, how long it takes, and how it sits."""

from collections.abc import Collection, Iterator, Sequence
from heapq import heapify, heappop, nsmallest
from operator import mul
from typing import NamedTuple

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.base import Asked, PlacementStrategy, Scope
from scheduling.placement.criteria import CRITERIA, Criteria, Machine, Values, best_of, scaled, told
from scheduling.plan_result import Candidate, Decision
from scheduling.resources import Request
from scheduling.rules import PlacementWeights, Rules
from scheduling.snapshot import Allocation, Snapshot
from scheduling.speeds import NOTHING_LEARNED

SHOWN = 5
"""So many candidates are kept with a decision."""
USUAL = PlacementWeights()
NOBODY: frozenset[int] = frozenset()


class Scored(NamedTuple):
    """A node by its score; one whose GPUs would be wasted comes behind all others."""

    wastes_gpus: bool
    score: float
    number: int


class WeightedScore(PlacementStrategy):
    """The nodes with the least weighted sum of all criteria; of equals the first by name.

    A gang takes as long as on the slowest of its nodes: of all ways to leave slow ones out the one with the least sum is
    taken. A request without GPUs goes to a node that has GPUs only when no node without fits.
    """

    name = "weighted"
    order = "by the weighted sum of price, run time, fit, failures and nearness, the least first"
    goes_by_job = True

    def __init__(
        self, weights: PlacementWeights = USUAL, snapshot: Snapshot | None = None, *, comparative: float = 0.0
    ) -> None:
        self._weights = weights
        self._comparative = comparative
        queues = snapshot.queues if snapshot else ()
        self._queues = {one.name: one.placement_weights for one in queues if one.placement_weights}
        self._rules, self._speeds = (snapshot.rules, snapshot.speeds) if snapshot else (Rules(), NOTHING_LEARNED)
        self._machines: dict[Request, dict[str, Machine]] = {}

    def prepare(self, snapshot: Snapshot) -> "WeightedScore":
        return type(self)(self._weights, snapshot)

    def for_job(self, asked: Asked) -> "JobScore":
        machines = self._machines.setdefault(asked.job.request, {})
        criteria = Criteria(asked.job.request, self._rules, self._speeds, machines, asked, self._comparative)
        return JobScore(self.name, criteria, self.weights_of(asked.job.queue))

    def weights_of(self, queue: str) -> PlacementWeights:
        """Those that count for the jobs of a queue."""
        return self._queues.get(queue, self._weights)

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        """As for a job of which nothing more is known."""
        return JobScore(self.name, self._criteria(request), self._weights).preferred(request, room)

    def _criteria(self, request: Request) -> Criteria:
        return Criteria(request, self._rules, self._speeds, {})


class JobScore(PlacementStrategy):
    """The same for one job: it remembers by what it has chosen last."""

    order = WeightedScore.order
    goes_by_job = True

    def __init__(self, name: str, criteria: Criteria, weights: PlacementWeights) -> None:
        self._by = name
        self._criteria = criteria
        self._weights = tuple(getattr(weights, name) for name in CRITERIA)
        self._line: list[Scored] = []
        self._best: tuple[float | None, ...] = ()

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        nodes, near = list(room.nodes(request)), frozenset(room.near)
        values = [self._criteria.values(node, near) for node in nodes]
        self._best = best_of(values)
        self._line = self._scored(request, nodes, values)
        chosen = self._together(request, nodes, near) if request.nodes > 1 else NOBODY
        line = [(one.number not in chosen, *one) for one in self._line]
        heapify(line)
        while line:
            yield room.free.nodes[heappop(line)[-1]]

    def costs(self, request: Request, room: Scope) -> list[tuple[int, float]]:
        """Each node that has a place, by its number, with its score."""
        next(self.preferred(request, room), None)
        return [(one.number, one.score) for one in self._line]

    def _scored(self, request: Request, nodes: Sequence[FreeNode], values: Sequence[Values]) -> list[Scored]:
        weights, best, needs_gpus = self._weights, self._best, request.gpus > 0
        return [
            Scored(not needs_gpus and bool(node.kind), round(sum(map(mul, scaled(one, best), weights)), 9), node.number)
            for node, one in zip(nodes, values, strict=True)
        ]

    def _together(self, request: Request, nodes: Sequence[FreeNode], near: Collection[str]) -> frozenset[int]:
        """The nodes of a gang: for each of their speeds the best of those that are no slower, if there are enough."""
        seconds = [self._criteria.expected(node).seconds or 0.0 for node in nodes]
        found: list[tuple[bool, float, float, tuple[int, ...]]] = []
        for slowest in sorted(set(seconds)):
            able = [node for node, own in zip(nodes, seconds, strict=True) if own <= slowest]
            if len(able) < request.nodes:
                continue
            values = [self._criteria.values(node, near, slowest) for node in able]
            best = nsmallest(request.nodes, self._scored(request, able, values))
            wasted = any(one.wastes_gpus for one in best)
            found.append((wasted, sum(one.score for one in best), slowest, tuple(one.number for one in best)))
        return frozenset(min(found)[-1]) if found else NOBODY

    def candidates(self, request: Request, room: Scope, most: int) -> tuple[Candidate, ...]:
        next(self.preferred(request, room), None)
        return tuple(self._candidate(one, room) for one in nsmallest(most, self._line))

    def decision(self, request: Request, room: Scope, shares: Sequence[Allocation]) -> Decision | None:  # noqa: ARG002
        chosen = {room.free[share.node].number for share in shares}
        best = [*(one for one in self._line if one.number in chosen), *nsmallest(SHOWN, self._line)]
        shown = list(dict.fromkeys(best))[:SHOWN]
        return Decision(self._by, "", "", tuple(self._candidate(one, room) for one in shown), len(self._line))

    def _candidate(self, one: Scored, room: Scope) -> Candidate:
        node = room.free.nodes[one.number]
        criteria = told(self._criteria.values(node, frozenset(room.near)), self._best, self._weights)
        hoped = self._criteria.expected(node).hoped
        words = f"Hardly tried by such jobs: its time counts as {hoped:.0%} less." if hoped else ""
        return Candidate(node.view.name, one.score, criteria, words)


WEIGHTED = WeightedScore()
