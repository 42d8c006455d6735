"""Who has had less than their share: Slurm's Fair Tree over the tree of projects and their users.

Cox, Morrison: "Fair Tree: Fairshare Algorithm for Slurm" (Slurm User Group 2014); slurm.schedmd.com/fair_tree.html.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scheduling.snapshot import ProjectView, UsageView, chain_of

UNKNOWN_WEIGHT = 1.0


class Account(NamedTuple):
    """A user in a project: the leaves of the tree."""

    project: str
    owner: str


def ranks(
    projects: Sequence[ProjectView], usage: Sequence[UsageView], accounts: Iterable[Account]
) -> dict[Account, int]:
    """The place of each account: 0 has had least for its share. Accounts with equal claims share a place.

    At each level siblings are sorted by their level fair share, (weight / weights of the siblings) / (usage / usage of
    the siblings); all users below the first go before all users below the second. A project's own users stand among
    its child projects.
    """
    tree = _Tree(projects, usage, accounts)
    places: dict[Account, int] = {}
    tree.walk([tree.children(None)], places)
    return places


def level_fair_share(weight: float, weights: float, used: float, all_used: float) -> float:
    """S / U of one sibling. Infinite for one that has used nothing; 0 for one without a weight."""
    if weight <= 0:
        return 0.0
    return float("inf") if used <= 0 else (weight / weights) / (used / all_used)


class _Tree:
    def __init__(
        self, projects: Sequence[ProjectView], usage: Sequence[UsageView], accounts: Iterable[Account]
    ) -> None:
        known = {one.slug: one for one in projects}
        self._used: dict[str | Account, float] = {}
        self._children: dict[str | None, list[str | Account]] = {}
        self._weights: dict[str | Account, float] = {one.slug: one.weight for one in projects}
        for one in usage:
            account = Account(one.project, one.owner)
            holders: list[str | Account] = [account, *_above(one.project, known)]
            for holder in holders:
                self._used[holder] = self._used.get(holder, 0.0) + one.used
        for project in sorted(projects, key=lambda one: one.slug):
            parent = project.parent if project.parent in known else None
            self._children.setdefault(parent, []).append(project.slug)
        for account in sorted(set(accounts) | {Account(one.project, one.owner) for one in usage}):
            self._children.setdefault(account.project, []).append(account)

    def children(self, slug: str | None) -> list[str | Account]:
        return self._children.get(slug, [])

    def walk(self, groups: Sequence[Sequence[str | Account]], places: dict[Account, int]) -> None:
        """Siblings are ranked within each group; members of equal claim are merged, as if they were one account."""
        for siblings in groups:
            for equals in self._sorted(siblings):
                leaves = [one for one in equals if isinstance(one, Account)]
                place = len(places)
                places.update(dict.fromkeys(leaves, place))
                below = [child for one in equals if not isinstance(one, Account) for child in self.children(one)]
                if below:
                    self.walk([below], places)

    def _sorted(self, siblings: Sequence[str | Account]) -> Iterable[list[str | Account]]:
        weights = sum(self._weights.get(one, UNKNOWN_WEIGHT) for one in siblings)
        used = sum(self._used.get(one, 0.0) for one in siblings)
        by_share: dict[float, list[str | Account]] = {}
        for one in siblings:
            weight = self._weights.get(one, UNKNOWN_WEIGHT)
            share = level_fair_share(weight, weights, self._used.get(one, 0.0), used)
            by_share.setdefault(share, []).append(one)
        return [by_share[share] for share in sorted(by_share, reverse=True)]


def _above(slug: str, projects: Mapping[str, ProjectView]) -> Iterable[str]:
    return [one.slug for one in chain_of(slug, projects)] if slug in projects else []


def decayed(used: float, age_seconds: float, half_life_seconds: float) -> float:
    """Usage of so long ago as it counts today: half after one half-life."""
    return used * 0.5 ** (age_seconds / half_life_seconds) if half_life_seconds > 0 else 0.0
