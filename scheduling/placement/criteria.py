"""What a node is to a job in each respect that a score counts: what it costs there, how long it takes, how it sits.

Each is scaled by itself, and not by the worst node there is: one hopeless node must not make all others alike. A price or
a time is held against the best there is (half as much again counts a third, twice as much a half), failures count
`n / (n + 1)`, and what is left over is a part of the machine already.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import NamedTuple, TypeAlias

from scheduling.nodes.free_nodes import FreeNode
from scheduling.nodes.hardware_types import hardware_type
from scheduling.placement.base import Asked, Rate
from scheduling.plan_result import Criterion
from scheduling.resources import WHOLE_GPU, Request
from scheduling.rules import PlacementWeights, Rules
from scheduling.run_times import expected_seconds
from scheduling.speeds import Speeds

CRITERIA = tuple(field.name for field in fields(PlacementWeights))
Values: TypeAlias = tuple[float | None, float | None, float, float, float | None]
"""Price, seconds, part left over, failures, distance of a node: in the order of `CRITERIA`, None where nobody knows."""
UNKNOWN = 0.5
OPTIMISM = 0.3
"""A type that a kind of jobs has never run on is hoped to be faster by this much, as a logarithm: the job takes 26 % less."""
TRIES = 3
"""After so many of its runs there, those that still run included, nothing is hoped for any more."""
HOUR = 3_600.0
LEAST_SECONDS = 1.0


class Machine(NamedTuple):
    """What a node is to a request whoever asks: of which type, how fast by its label, and what it costs."""

    hardware: str
    speed: float | None
    rate: Rate | float | None


class Expected(NamedTuple):
    """How long a job takes. `hoped`: by which part that counts as less, so that a type is tried; `beside` is what it counts times."""

    seconds: float | None
    hoped: float = 0.0
    beside: float = 1.0


class Criteria:
    """Of the nodes for one job. `machines` is what is known of them by their names: it is filled up, for the next such job."""

    def __init__(
        self,
        request: Request,
        rules: Rules,
        speeds: Speeds,
        machines: dict[str, Machine],
        asked: Asked | None = None,
        comparative: float = 0.0,
    ) -> None:
        self._request, self._speeds, self._machines, self._asked = request, speeds, machines, asked
        self._comparative = comparative
        job = asked.job if asked else None
        self._kind = job.kind if job else ""
        self._now = asked.now if asked else 0.0
        self._expected = max(LEAST_SECONDS, expected_seconds(job, rules) - job.saved_seconds) if job else HOUR
        self._by_type: dict[str, Expected] = {}
        self._prices: dict[tuple[int, float], float] = {}

    def values(self, node: FreeNode, near: Collection[str] = (), at_least: float = 0.0) -> Values:
        """What the node is to the job, if it takes so many seconds at least."""
        view, machine = node.view, self._machine(node)
        expected = self._expect(machine)
        seconds = expected.seconds
        if seconds is not None and seconds < at_least:
            seconds = at_least
        counted = None if seconds is None else seconds * expected.beside
        if near:
            distance: float | None = 0.0 if view.name in near else 1.0
        else:
            distance = _label(view.labels, "latency_ms")
        failed = view.failures or _label(view.labels, "failures") or 0.0
        return (self._price(machine.rate, seconds), counted, leftover(self._request, node), failed, distance)

    def expected(self, node: FreeNode) -> Expected:
        """How long the job takes there."""
        return self._expect(self._machine(node))

    def _machine(self, node: FreeNode) -> Machine:
        found = self._machines.get(node.view.name)
        if found is None:
            labels, rates = node.view.labels, self._asked.rates if self._asked else None
            # A label says what it costs only where there are no prices, and how fast it is until something is learned.
            rate = _label(labels, "price_per_hour") if rates is None else rates.on_node(self._request, node.view)
            found = Machine(hardware_type(self._request, node), _label(labels, "speed"), rate)
            self._machines[node.view.name] = found
        return found

    def _price(self, rate: Rate | float | None, seconds: float | None) -> float | None:
        if rate is None:
            return None
        lasts = self._expected if seconds is None else seconds
        if isinstance(rate, float):
            return rate * lasts / HOUR
        key = (id(rate), lasts)
        if key not in self._prices:
            self._prices[key] = float(rate.over(self._now, self._now + lasts))
        return self._prices[key]

    def _expect(self, machine: Machine) -> Expected:
        if not self._speeds:
            return Expected(self._expected / machine.speed if machine.speed else None)
        found = self._by_type.get(machine.hardware)
        if found is None:
            learned = self._speeds.expect(self._kind, machine.hardware)
            running = self._asked.tries.get((self._kind, machine.hardware), 0) if self._asked else 0
            hoped = 1 - math.exp(-hope(learned.runs + running)) if self._kind else 0.0
            beside = math.exp(-self._comparative * self._speeds.usual(machine.hardware))
            found = Expected(self._expected * learned.times * (1 - hoped), hoped, beside)
            self._by_type[machine.hardware] = found
        return found


def hope(tries: int) -> float:
    """By how much, as a logarithm, a type counts as faster on which the kind was tried so often: less each time, then nothing."""
    return OPTIMISM / (1 + tries) if tries < TRIES else 0.0


def best_of(found: Sequence[Values]) -> tuple[float | None, ...]:
    """The least of each; None where nobody knows anything."""
    if not found:
        return (None,) * len(CRITERIA)
    return tuple(min((one for one in column if one is not None), default=None) for column in zip(*found, strict=True))


def scaled(values: Values, best: Sequence[float | None]) -> tuple[float, ...]:
    """From 0, good, to 1, bad. What is not known of a node counts as halfway; where it is known of none, it counts nothing."""
    price, seconds, left, failed, distance = values
    return (
        _beside(price, best[0]),
        _beside(seconds, best[1]),
        left,
        failed / (failed + 1),
        _beside(distance, best[4]),
    )


def told(values: Values, best: Sequence[float | None], weights: Sequence[float]) -> tuple[Criterion, ...]:
    """The same for people."""
    parts = zip(CRITERIA, values, scaled(values, best), weights, strict=True)
    return tuple(Criterion(name, value, round(part, 6), weight) for name, value, part, weight in parts)


def _beside(value: float | None, best: float | None) -> float:
    if value is None:
        return 0.0 if best is None else UNKNOWN
    return 1 - best / value if best is not None and value > best else 0.0


def leftover(request: Request, node: FreeNode) -> float:
    """Which part of the machine would be left over. Its GPUs, which is what it costs most, count as much as the rest."""
    amount = request.amount
    parts = [
        _part(node.cpus - amount.cpus, node.view.cpus),
        _part(node.memory_mb - amount.memory_mb, node.view.memory_mb),
    ]
    if node.order:
        parts += [_part(node.gpu_milli - amount.all_gpu_milli, WHOLE_GPU * len(node.order))] * 2
    return max(0.0, sum(parts) / len(parts))


def _part(left: int, whole: int) -> float:
    return left / whole if whole else 0.0


def _label(labels: Mapping[str, str], name: str) -> float | None:
    """A number that is not negative, or nothing."""
    if name not in labels:
        return None
    try:
        number = float(labels[name])
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None
