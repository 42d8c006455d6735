"""Borrowing and lending in a cohort: the projects below one parent use what the others leave of their nominal quotas.

A project may hold its nominal quota and what it may borrow, as long as all of the cohort together stay within what their
parent may hold, or, where that has no limit, within the sum of their nominal quotas. What a project does not lend counts
as held by it, used or not. What it lends comes back: jobs within nominal quota may stop preemptible ones of a project of
their cohort that is above its own (`planning/borrowers.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from scheduling.resources import Resources
from scheduling.sharing.cohort_tree import RESOURCES, Amounts, CohortTree, Member, claim
from scheduling.sharing.ledger import INDEX, Ledger
from scheduling.sharing.quotas import Usage, enforced
from scheduling.snapshot import NO_LOAN_LIMITS, ProjectView

__all__ = ["RESOURCES", "Amounts", "Cohorts", "Loans"]

FREE = 10**12
"""Who has no limit has so much left of it."""


class Loans(NamedTuple):
    """Of one project and one resource: held beyond its nominal quota; left by it, and held by others meanwhile."""

    borrowed: int
    lent: int


class Cohorts:
    """All cohorts of a tree in which somebody borrows, or keeps anything to himself."""

    def __init__(self, projects: Iterable[ProjectView]) -> None:
        self.tree = CohortTree(projects)
        self._members, self._parents, self._below = self.tree.members, self.tree.parents, self.tree.below
        self._chain, self.pool = self.tree.chain, self.tree.pool
        self._slugs: dict[str, tuple[str, ...]] = {}
        self._branches: dict[tuple[str, str], tuple[str, str] | None] = {}
        self.kept_kinds = frozenset(INDEX[name] for _, name in self.tree.keeping)  # of what anybody keeps anything

    @classmethod
    def of(cls, projects: Sequence[ProjectView]) -> Self | None:
        """None where quotas are nothing but limits: then each can be looked at by itself."""
        return cls(projects) if any(map(_is_shared, projects)) else None

    def chain(self, slug: str) -> tuple[str, ...]:
        """The project and all above it."""
        known = self._slugs.get(slug)
        if known is None:
            known = self._slugs[slug] = tuple(member.slug for member in self._chain(slug))
        return known

    def borrows(self, slug: str) -> bool:
        """Whether the project, or one above it, may borrow anything."""
        return any(any(one.borrows.values()) for one in self._chain(slug))

    def claimed(self, slug: str, name: str, usage: Mapping[str, Usage]) -> int:
        """What counts as held by the project and all below it for those above: what is in use or kept."""
        return _claim(self._members[slug], name, _held(usage, slug, name), self.committed(slug, name, usage))

    def committed(self, slug: str, name: str, usage: Mapping[str, Usage]) -> int:
        """What the project and all below it hold, and what those below it keep to themselves and do not use."""
        if isinstance(usage, Ledger):
            return usage.committed(slug, name)
        keeping = self.tree.keeping.get((slug, name), ())
        kept = (self.claimed(one.slug, name, usage) - _held(usage, one.slug, name) for one in keeping)
        return _held(usage, slug, name) + sum(kept)

    def together(self, parent: str, name: str, *, firm: bool) -> int:
        """What those below the parent may hold at most, whoever says it; nothing where nobody says anything."""
        pool, own = self.pool(parent, name), self.nominal(parent, name) if firm else self.ceiling(parent, name)
        return (own if pool is None else pool) or 0

    def taken(self, parent: str, name: str, usage: Mapping[str, Usage]) -> int:
        """What is gone of the pool. Who holds more than is allowed, as his limit shrank, takes nothing from the others."""
        if isinstance(usage, Ledger):
            return usage.taken(parent, name)
        return sum(
            min(self.claimed(one.slug, name, usage), one.most(name) or 0)
            for one in self._below[parent]
            if name in one.nominal
        )

    def nominal(self, slug: str, name: str) -> int | None:
        return self._members[slug].nominal.get(name)

    def ceiling(self, slug: str, name: str) -> int | None:
        """What the project may hold, with all that it may borrow."""
        return self._members[slug].most(name)

    def pools_over(self, slug: str) -> Sequence[tuple[str, Amounts]]:
        """The cohorts that the project's jobs count in, from the nearest up: parent, and the pool by resource."""
        found = list[tuple[str, Amounts]]()
        for member in self._chain(slug):
            parent = self._parents[member.slug]
            pools = {name: self.pool(parent, name) for name in member.nominal} if parent is not None else {}
            limited = {name: pool for name, pool in pools.items() if pool is not None}
            if parent is not None and limited:
                found.append((parent, limited))
        return found

    def borrowed_below(self, level: str, name: str, usage: Mapping[str, Usage]) -> dict[str, int]:
        """What each project right below this one has borrowed, if it has."""
        above = {one.slug: self.over(one.slug, name, usage) for one in self._below.get(level, ())}
        return {slug: amount for slug, amount in above.items() if amount > 0}

    def over(self, slug: str, name: str, usage: Mapping[str, Usage]) -> int:
        """How much the project holds beyond its nominal quota; less than nothing where it has some left."""
        nominal = self._members[slug].nominal.get(name)
        return -FREE if nominal is None else _held(usage, slug, name) - nominal

    def is_within(self, slug: str, more: Resources, usage: Mapping[str, Usage]) -> bool:
        """Whether the project has a nominal quota of what is asked for, and stays within it with so much more."""
        own = [
            (nominal, name, adds)
            for name, nominal in self._members[slug].nominal.items()
            if (adds := getattr(more, name))
        ]
        return bool(own) and all(_held(usage, slug, name) + adds <= nominal for nominal, name, adds in own)

    def lent_by(self, slug: str, more: Resources, usage: Mapping[str, Usage]) -> frozenset[str]:
        """Where nominal quota ends if the project holds so much more: the first that has none left, and all above it."""
        chain = self._chain(slug)
        for place, member in enumerate(chain):
            asked = [(name, getattr(more, name)) for name in RESOURCES]
            if any(amount and self.over(member.slug, name, usage) + amount > 0 for name, amount in asked):
                return frozenset(one.slug for one in chain[place:])
        return frozenset()

    def protects(self, victim: str, job: str, more: Resources, usage: Mapping[str, Usage]) -> bool:
        """Whether a job that would borrow has to leave the victim alone, as that holds nominal quota of its cohort's."""
        branches = self.branches(job, victim)
        if branches is None:
            return False
        ours, theirs = branches
        asked = [name for name in RESOURCES if getattr(more, name)]
        borrows = any(self.over(ours, name, usage) + getattr(more, name) > 0 for name in asked)
        return borrows and not any(self.over(theirs, name, usage) > 0 for name in RESOURCES)

    def branches(self, ours: str, theirs: str) -> tuple[str, str] | None:
        """The members of one cohort that the two projects lie below, or are; None if there is no such cohort."""
        if (ours, theirs) not in self._branches:
            self._branches[ours, theirs] = self._find_branches(ours, theirs)
        return self._branches[ours, theirs]

    def _find_branches(self, ours: str, theirs: str) -> tuple[str, str] | None:
        chain, before = self.chain(ours), ""
        for slug in self.chain(theirs):
            if slug in chain:
                place = chain.index(slug)
                return (chain[place - 1], before) if place and before else None
            before = slug
        return None

    def loans(self, slug: str, name: str, usage: Mapping[str, Usage]) -> Loans:
        """What it has borrowed; and what of its nominal quota it could not have without others giving it back."""
        parent, member = self._parents[slug], self._members[slug]
        free, beyond = (None, 0) if parent is None else self._free_and_beyond(parent, name, usage)
        return self._loans(member, name, usage, free, beyond)

    def loans_of_all(self, name: str, usage: Mapping[str, Usage]) -> dict[str, Loans]:
        """The same of every project of the tree: each cohort is looked at once, and not once for each of its members."""
        found = {
            slug: self._loans(self._members[slug], name, usage, None, 0)
            for slug, parent in self._parents.items()
            if parent is None
        }
        for parent, members in self._below.items():
            free, beyond = self._free_and_beyond(parent, name, usage)
            found |= {one.slug: self._loans(one, name, usage, free, beyond) for one in members}
        return found

    def _free_and_beyond(self, parent: str, name: str, usage: Mapping[str, Usage]) -> tuple[int | None, int]:
        """What a cohort has left, and what its members hold beyond their own together."""
        beyond = sum(max(0, self.over(one.slug, name, usage)) for one in self._below[parent])
        return self._free(parent, name, usage), beyond

    def _loans(self, member: Member, name: str, usage: Mapping[str, Usage], free: int | None, beyond: int) -> Loans:
        borrowed = max(0, self.over(member.slug, name, usage))
        if free is None or name not in member.nominal:
            return Loans(borrowed, 0)
        left = member.nominal[name] - self.claimed(member.slug, name, usage)
        return Loans(borrowed, max(0, min(beyond - borrowed, left - max(0, free))))

    def headroom(self, slug: str, name: str, usage: Mapping[str, Usage]) -> int | None:
        """How much more cohorts let jobs of the project have now, beside each project's own limit; None: any amount."""
        found: int | None = None
        unused = 0
        for member in self._chain(slug):
            parent = self._parents[member.slug]
            if parent is None:
                break
            unused += max(0, self.claimed(member.slug, name, usage) - self.committed(member.slug, name, usage))
            free = self._free(parent, name, usage)
            if free is not None and (name in member.nominal or name in self._members[parent].nominal):
                found = max(0, free) + unused if found is None else min(found, max(0, free) + unused)
        return found

    def _free(self, parent: str, name: str, usage: Mapping[str, Usage]) -> int | None:
        pool = self.pool(parent, name)
        if pool is not None:
            return pool - self.taken(parent, name, usage)
        ceiling = self.ceiling(parent, name)
        return None if ceiling is None else ceiling - self.committed(parent, name, usage)


def _claim(member: Member, name: str, held: int, committed: int) -> int:
    return claim(held, committed, member.nominal.get(name), member.keeps.get(name, 0))


def _held(usage: Mapping[str, Usage], slug: str, name: str) -> int:
    if isinstance(usage, Ledger):
        return usage.held(slug, name)
    used = usage.get(slug)
    return 0 if used is None else int(getattr(used.amount, name))


def _is_shared(project: ProjectView) -> bool:
    limits = enforced(project)
    return limits is not None and (limits.borrowing != NO_LOAN_LIMITS or limits.lending != NO_LOAN_LIMITS)
