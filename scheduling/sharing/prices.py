"""What it costs to hold a part of a node: prices by the hour, each valid for a while, and sums that lose nothing.

Amounts are exact fractions until they are written down: then they are rounded once, to the millionth of the currency.
So what an interval costs is, to the last digit, the sum of what its parts cost.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from scheduling import gpu_models
from scheduling.failures.retry import RetryBudget, reasons_that
from scheduling.lifecycle import EndReason
from scheduling.memory_units import MB_IN_A_GB
from scheduling.price_list import Capacity, Price, Target, terms_of

__all__ = [
    "Capacity",
    "Holding",
    "Part",
    "Price",
    "Target",
    "cost",
    "hourly",
    "is_refunded",
    "parts",
    "rounded",
    "terms_of",
]

PLACES = 6
"""An amount of money has so many digits after the point."""
MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1) // MICROSECOND
PLATFORM_FAULTS = reasons_that(payer=RetryBudget.PLATFORM)
"""Ends after which what the attempt cost is given back: those for which the platform, too, pays the next attempt."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a placement holds and of which node: all that its cost depends on, beside time and prices."""

    cpus: int = 0
    memory_mb: int = 0
    gpus: Mapping[str, int] = field(default_factory=dict)  # how many, by their model
    node: str = ""
    node_type: str = ""
    capacity: str = Capacity.ANY
    node_cpus: int = 0
    node_memory_mb: int = 0
    node_gpus: int = 0

    @property
    def share(self) -> Fraction:
        """Which part of its node: of its CPUs, its memory or its GPUs, whatever is the most; never more than all of it."""
        amounts = (
            (self.cpus, self.node_cpus),
            (self.memory_mb, self.node_memory_mb),
            (sum(self.gpus.values()), self.node_gpus),
        )
        return min(Fraction(1), max((Fraction(held, whole) for held, whole in amounts if whole), default=Fraction(1)))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an interval in which the prices do not change, and what it costs."""

    since: datetime
    until: datetime
    cost: Fraction


def hourly(holding: Holding, prices: Iterable[Price]) -> Fraction | None:
    """What it costs an hour by these prices, which are all valid at that time; None: nothing of it has a price.

    The price of its node counts alone, else that of the node's type, each by the part that is held; else the sum of the
    prices of its GPUs, CPUs and memory. Of two prices for the same thing the one for the node's own terms counts.
    """
    known = [price for price in prices if price.capacity in (Capacity.ANY, holding.capacity)]
    whole = _named(known, Target.NODE, holding.node) or _named(known, Target.NODE_TYPE, holding.node_type)
    if whole is not None:
        return Fraction(whole.per_hour) * holding.share
    amounts = [(count, _of_gpu(known, model)) for model, count in holding.gpus.items()]
    amounts.append((holding.cpus, _named(known, Target.CPU, "")))
    memory = _named(known, Target.MEMORY_GB, "")
    known_costs = [count * Fraction(price.per_hour) for count, price in amounts if price is not None and count]
    if memory is not None and holding.memory_mb:
        known_costs.append(Fraction(holding.memory_mb, MB_IN_A_GB) * Fraction(memory.per_hour))
    return sum(known_costs, Fraction(0)) if known_costs else None


def parts(holding: Holding, since: datetime, until: datetime, prices: Sequence[Price]) -> list[Part]:
    """The interval, split wherever a price begins or ends; parts without a price are left out."""
    ends = {moment for price in prices for moment in (price.since, price.until) if moment and since < moment < until}
    found = []
    for begin, end in pairwise(sorted({since, until, *ends})):
        rate = hourly(holding, [price for price in prices if price.is_valid(begin)])
        if rate is not None:
            found.append(Part(begin, end, rate * Fraction((end - begin) // MICROSECOND, HOUR)))
    return found


def cost(holding: Holding, since: datetime, until: datetime, prices: Sequence[Price]) -> Fraction:
    """What it costs to hold this from `since` until `until`; nothing where `until` is not later."""
    return sum((part.cost for part in parts(holding, since, until, prices)), Fraction(0))


def rounded(amount: Fraction, places: int = PLACES) -> Decimal:
    """The amount as it is written down; a half goes to the even digit."""
    return Decimal(round(amount * 10**places)).scaleb(-places)


def is_refunded(reason: EndReason, *, charged: bool) -> bool:
    """Whether an attempt that ended so costs nothing: the platform failed it, or it never ran."""
    return reason in PLATFORM_FAULTS or not charged


def _named(prices: Iterable[Price], target: Target, name: str) -> Price | None:
    if not name and target in (Target.NODE, Target.NODE_TYPE):
        return None
    return _own_terms_first(price for price in prices if price.target == target and price.name == name)


def _own_terms_first(prices: Iterable[Price]) -> Price | None:
    return max(prices, key=lambda price: price.capacity != Capacity.ANY, default=None)


def _of_gpu(prices: Iterable[Price], model: str) -> Price | None:
    """The price of the model by its whole name, else by the longest name that means it, else of any GPU."""
    meant = [price for price in prices if price.target == Target.GPU_MODEL and gpu_models.matches(price.name, model)]
    return max(
        meant,
        key=lambda price: (price.name.casefold() == model.casefold(), len(price.name), price.capacity != Capacity.ANY),
        default=None,
    )
