"""Who should have had how much of what there was, looked at afterwards: by weights, among those who wanted something.

Weighted max-min fairness down the tree of projects and their users, as fair tree has it: nobody is entitled to more than he
wanted, and what one does not want is shared among the others by their weights.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

from scheduling.sharing.fair_tree import UNKNOWN_WEIGHT, Account
from scheduling.snapshot import ProjectView

Name = TypeVar("Name")


@dataclass(frozen=True, slots=True)
class Demand:
    """What an account held, and what it waited for beside that: charged seconds of the same span of time."""

    received: float = 0.0
    waited: float = 0.0

    @property
    def wanted(self) -> float:
        return self.received + self.waited


@dataclass(frozen=True, slots=True)
class Share:
    """What became of an account or a group of them. All amounts are charged seconds.

    `nominal` is its part by weights alone; `entitled` what of it, and of what others left, it wanted.
    """

    received: float = 0.0
    waited: float = 0.0
    nominal: float = 0.0
    entitled: float = 0.0

    def __add__(self, other: "Share") -> "Share":
        return Share(
            self.received + other.received,
            self.waited + other.waited,
            self.nominal + other.nominal,
            self.entitled + other.entitled,
        )

    @property
    def lent(self) -> float:
        """Its own, and not wanted by it."""
        return max(0.0, self.nominal - self.received - self.waited)

    @property
    def borrowed(self) -> float:
        """Held beyond its own part."""
        return max(0.0, self.received - self.nominal)

    @property
    def short(self) -> float:
        """Entitled to, and not received."""
        return max(0.0, self.entitled - self.received)

    @property
    def above(self) -> float:
        """Received, and others were entitled to it."""
        return max(0.0, self.received - self.entitled)


def shares(projects: Sequence[ProjectView], demands: Mapping[Account, Demand]) -> dict[Account, Share]:
    """Of all accounts that wanted something: they share what all of them held together."""
    wanting = {account: one for account, one in demands.items() if one.wanted > 0}
    tree = _Tree(projects, wanting)
    supply = sum(one.received for one in wanting.values())
    parts: dict[Account, tuple[float, float]] = {}
    tree.divide(None, supply, supply, parts)
    return {account: Share(one.received, one.waited, *parts[account]) for account, one in wanting.items()}


def max_min(weights: Mapping[Name, float], wanted: Mapping[Name, float], supply: float) -> dict[Name, float]:
    """The supply by weights, to nobody more than wanted; who has no weight gets what nobody else wants."""
    given: dict[Name, float] = {}
    left = supply
    weighted = sorted((name for name in wanted if weights[name] > 0), key=lambda name: wanted[name] / weights[name])
    # Added up from the end: subtracted from the sum, small weights would be lost beside large ones.
    weights_left = list(accumulate(weights[name] for name in reversed(weighted)))[::-1]
    for name, weight_left in zip(weighted, weights_left, strict=True):
        given[name] = min(wanted[name], left * (weights[name] / weight_left))
        left = max(0.0, left - given[name])
    others = sorted((name for name in wanted if weights[name] <= 0), key=lambda name: wanted[name])
    for place, name in enumerate(others):
        given[name] = min(wanted[name], left / (len(others) - place))
        left = max(0.0, left - given[name])
    return given


def jain_index(parts: Iterable[float]) -> float | None:
    """1: everybody has the same part of what is theirs; 1/n: one of n has all. None: there is nobody.

    Jain, Chiu, Hawe: "A Quantitative Measure of Fairness and Discrimination" (DEC TR-301, 1984).
    """
    values = list(parts)
    most = max(values, default=0.0)
    if most <= 0:
        return None
    scaled = [value / most for value in values]  # the square of a part may be too small, or too large, for a float
    index = sum(scaled) ** 2 / (len(scaled) * sum(value * value for value in scaled))
    return min(1.0, max(1 / len(scaled), index))


class _Tree:
    """Projects with, among their child projects, the accounts that want something."""

    def __init__(self, projects: Sequence[ProjectView], wanting: Mapping[Account, Demand]) -> None:
        known = {one.slug: one for one in projects}
        self._weights: dict[str | Account, float] = {one.slug: one.weight for one in projects}
        self._wanted: dict[str | Account, float] = {}
        self._children: dict[str | None, dict[str | Account, None]] = {}
        for account, one in wanting.items():
            self._weights[account] = UNKNOWN_WEIGHT
            child: str | Account = account
            above: str | None = account.project
            while True:
                self._wanted[child] = self._wanted.get(child, 0.0) + one.wanted
                self._children.setdefault(above, {})[child] = None
                if above is None:
                    break
                child, above = above, known[above].parent if above in known else None
                above = above if above in known else None

    def divide(
        self, project: str | None, nominal: float, supply: float, parts: dict[Account, tuple[float, float]]
    ) -> None:
        children = self._children.get(project, {})
        weights = {child: self._weights.get(child, UNKNOWN_WEIGHT) for child in children}
        given = max_min(weights, {child: self._wanted[child] for child in children}, supply)
        all_weights = sum(weights.values())
        for child in children:
            part = nominal * (weights[child] / all_weights if all_weights > 0 else 1 / len(children))
            if isinstance(child, Account):
                parts[child] = (part, given[child])
            else:
                self.divide(child, part, given[child], parts)
