"""Several criteria at once: how well a request fits, and how fast, cheap, reliable and near the machine is."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop
from typing import TypeAlias

from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.resources import WHOLE_GPU, Request

Criterion: TypeAlias = Callable[[Request, FreeNode], float | None]
"""What a node is like in one respect, the less the better; None where nobody knows."""

UNKNOWN = 0.5


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each criterion counts; 0 leaves it out. Each is first scaled from 0, the best candidate, to 1, the worst."""

    fit: float = 1.0  # how much of the machine would be left over
    speed: float = 1.0  # label `speed`: how fast it is beside others, the more the better
    price: float = 1.0  # label `price_per_hour`
    reliability: float = 1.0  # label `failures`: how often it failed of late
    latency: float = 1.0  # label `latency_ms`: how far it is from the data


class WeightedScore(PlacementStrategy):
    """The nodes with the least weighted sum of all criteria; of equals the first by name.

    What a node does not say, or does not say as a number, counts as halfway between the best and the worst.
    """

    name = "weighted"

    def __init__(self, weights: Weights | None = None) -> None:
        self._weights = weights or Weights()

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        nodes = list(room.nodes(request))
        line = [(score, node.number) for score, node in zip(self.scores(request, nodes), nodes, strict=True)]
        heapify(line)
        while line:
            yield room.free.nodes[heappop(line)[-1]]

    def scores(self, request: Request, nodes: Sequence[FreeNode]) -> list[float]:
        """For each of the nodes, among each other: the less the better."""
        sums = [0.0] * len(nodes)
        for name, criterion in CRITERIA.items():
            weight = getattr(self._weights, name)
            if weight:
                scaled = _scaled([criterion(request, node) for node in nodes])
                sums = [one + weight * value for one, value in zip(sums, scaled, strict=True)]
        return [round(one, 9) for one in sums]


def leftover(request: Request, node: FreeNode) -> float:
    """How much of the machine would be left over, in parts of it: GPUs first, which is what it costs most."""
    amount = request.amount
    parts = [
        _part(node.cpus - amount.cpus, node.view.cpus),
        _part(node.memory_mb - amount.memory_mb, node.view.memory_mb),
        2 * _part(node.gpu_milli - amount.all_gpu_milli, WHOLE_GPU * len(node.order)),
    ]
    return sum(parts) + (0 if request.gpus or not node.kind else len(parts))


def _part(left: int, whole: int) -> float:
    return left / whole if whole else 0.0


def _label(name: str, sign: int = 1) -> Criterion:
    def read(_: Request, node: FreeNode) -> float | None:
        try:
            number = sign * float(node.view.labels[name])
        except (KeyError, ValueError):
            return None
        return number if math.isfinite(number) else None

    return read


CRITERIA: Mapping[str, Criterion] = {
    "fit": leftover,
    "speed": _label("speed", -1),
    "price": _label("price_per_hour"),
    "reliability": _label("failures"),
    "latency": _label("latency_ms"),
}


def _scaled(values: Sequence[float | None]) -> list[float]:
    known = [value for value in values if value is not None]
    least, most = min(known, default=0.0), max(known, default=0.0)
    if least == most:
        return [0.0 if value is not None or not known else UNKNOWN for value in values]
    return [UNKNOWN if value is None else (value - least) / (most - least) for value in values]


WEIGHTED = WeightedScore()
