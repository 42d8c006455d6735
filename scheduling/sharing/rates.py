"""What jobs cost an hour by the prices there are: what runs where it is, what waits wherever it would cost most."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property, partial
from itertools import pairwise
from math import ceil, inf

from scheduling.nodes.feasibility import could_hold, suitable
from scheduling.price_list import Price, Target
from scheduling.resources import Request
from scheduling.sharing.prices import Holding, hourly, terms_of
from scheduling.snapshot import Allocation, Gpu, NodeView

HOUR = 3_600
MICROSECONDS = 1_000_000
MILLION = 1_000_000
"""Budgets are reckoned in whole millionths of their units."""


class Rate:
    """So much an hour from each of these moments on, the first of which lies before everything."""

    __slots__ = ("_rates", "_since")

    def __init__(self, since: Sequence[float], rates: Sequence[Fraction]) -> None:
        self._since = since
        self._rates = rates

    def __bool__(self) -> bool:
        return any(self._rates)

    @classmethod
    def always(cls, rate: Fraction) -> "Rate":
        return cls((-inf,), (rate,))

    def at(self, moment: float) -> Fraction:
        return self._rates[bisect_right(self._since, moment) - 1]

    def over(self, start: float, end: float) -> Fraction:
        """What comes together from `start` to `end`, to the microsecond."""
        if len(self._rates) == 1:
            return self._rates[0] * _hours(start, end)
        parts = pairwise((*self._since, inf))
        sums = (
            rate * _hours(max(start, begin), min(end, until))
            for rate, (begin, until) in zip(self._rates, parts, strict=True)
            if begin < end and start < until
        )
        return sum(sums, Fraction(0))

    def millionths_over(self, start: float, end: float) -> int:
        """The same in whole millionths, rounded up; by whole numbers while one rate holds, as that is asked of each job."""
        if end <= start:
            return 0
        at = bisect_right(self._since, start) - 1
        if at + 1 < len(self._since) and self._since[at + 1] < end:
            return ceil(self.over(start, end) * MILLION)
        rate, microseconds = self._rates[at], round((end - start) * MICROSECONDS)
        return -(-rate.numerator * microseconds // (rate.denominator * HOUR))


def _hours(start: float, end: float) -> Fraction:
    return Fraction(max(0, round((end - start) * MICROSECONDS)), HOUR * MICROSECONDS)


def dearest(request: Request, nodes: Iterable[NodeView], known: Sequence[Price]) -> Fraction | None:
    """An hour of it on all its nodes, wherever it costs most: nobody knows yet where it goes, and no bill may surprise."""
    named = named_in(known)
    kinds = {_kind(node, named): node for node in nodes if could_hold(request, node)}
    holdings = [one for node in kinds.values() for one in _on_node(request, node)] or [_anywhere(request)]
    rates = [rate for holding in holdings if (rate := hourly(holding, known)) is not None]
    return max(rates) * request.nodes if rates else None


class Rates:
    """What is asked of one list of prices and one set of nodes, each answer worked out once."""

    def __init__(self, nodes: Iterable[NodeView], prices: Sequence[Price]) -> None:
        self._nodes = {node.name: node for node in nodes}
        changes = {moment.timestamp() for price in prices for moment in (price.since, price.until) if moment}
        self._since = (-inf, *sorted(changes))
        self._prices = [[price for price in prices if _is_valid(price, since)] for since in self._since]
        self._kinds: list[NodeView] | None = None
        self._by_request: dict[Request, Rate] = {}
        self._by_share: dict[tuple[object, ...], Rate] = {}
        self._by_kind: dict[tuple[Request, object], Rate] = {}

    def of_request(self, request: Request) -> Rate:
        """All its nodes together, wherever that costs most; nothing where nothing of it has a price."""
        found = self._by_request.get(request)
        if found is None:
            able = self._of_each_kind()
            rates = [dearest(request, able, known) or Fraction(0) for known in self._prices]
            found = self._by_request[request] = Rate(self._since, rates)
        return found

    def on_node(self, request: Request, node: NodeView) -> Rate:
        """A request's share of that node; of GPUs of several models the dearest that it could get. Nothing: it has no price."""
        key = (request, _kind(node, self._names))
        found = self._by_kind.get(key)
        if found is None:
            holdings = list(_on_node(request, node))
            rates = [max(hourly(one, known) or Fraction(0) for one in holdings) for known in self._prices]
            found = self._by_kind[key] = Rate(self._since, rates)
        return found

    def of_share(self, share: Allocation) -> Rate | None:
        """What is held there; None: its node, or a GPU of it, is not known."""
        node = self._nodes.get(share.node)
        models = {gpu.index: gpu.model for gpu in node.gpus} if node else {}
        if node is None or not models.keys() >= set(share.gpu_indices):
            return None
        held, amount = Counter(models[one] for one in share.gpu_indices), share.amount
        name = node.name if node.name in self._names else ""
        key = (name, terms_of(node.labels), node.cpus, node.memory_mb, len(node.gpus), amount, *sorted(held.items()))
        found = self._by_share.get(key)
        if found is None:
            holding = holding_on(node, amount.cpus, amount.memory_mb, held)
            found = self._by_share[key] = Rate(
                self._since, [hourly(holding, known) or Fraction(0) for known in self._prices]
            )
        return found

    @cached_property
    def _names(self) -> set[str]:
        """The nodes that have a price of their own."""
        return {name for known in self._prices for name in named_in(known)}

    def _of_each_kind(self) -> list[NodeView]:
        """One node of those on which the same costs the same and that hold the same."""
        if self._kinds is None:
            kinds = {(_kind(node, self._names), *sorted(node.labels.items())): node for node in self._nodes.values()}
            self._kinds = list(kinds.values())
        return self._kinds


def named_in(known: Iterable[Price]) -> set[str]:
    """The nodes that have a price of their own."""
    return {price.name for price in known if price.target == Target.NODE}


def _is_valid(price: Price, moment: float) -> bool:
    return price.since.timestamp() <= moment and (price.until is None or moment < price.until.timestamp())


def _kind(node: NodeView, named: set[str]) -> object:
    """Equal for nodes on which the same costs the same."""
    name = node.name if node.name in named else ""
    return name, terms_of(node.labels), node.cpus, node.memory_mb, node.gpus


def _on_node(request: Request, node: NodeView) -> Iterator[Holding]:
    """Of a machine with GPUs of several models: once with as many of each as there are."""
    able = suitable(request, node.gpus) if request.gpus else []
    for model in sorted({gpu.model for gpu in able}) or [""]:
        chosen = sorted(able, key=partial(_is_other, model))[: request.gpus]
        yield holding_on(node, request.cpus, request.memory_mb, Counter(gpu.model for gpu in chosen))


def _is_other(model: str, gpu: Gpu) -> bool:
    return gpu.model != model


def holding_on(node: NodeView, cpus: int, memory_mb: int, gpus: Mapping[str, int]) -> Holding:
    """What is held there, with all that a price of the node goes by; `gpus` by model."""
    node_type, capacity = terms_of(node.labels)
    return Holding(
        cpus=cpus,
        memory_mb=memory_mb,
        gpus=gpus,
        node=node.name,
        node_type=node_type,
        capacity=capacity,
        node_cpus=node.cpus,
        node_memory_mb=node.memory_mb,
        node_gpus=len(node.gpus),
    )


def _anywhere(request: Request) -> Holding:
    """On a node that is not there yet."""
    gpus = {request.gpu_model: request.gpus} if request.gpus else {}
    return Holding(cpus=request.cpus, memory_mb=request.memory_mb, gpus=gpus)
