"""Borrowing and lending in a cohort: the projects below one parent use what the others leave of their nominal quotas.

A project may hold its nominal quota and what it may borrow, as long as all of the cohort together stay within what their
parent may hold, or, where that has no limit, within the sum of their nominal quotas. What a project does not lend counts
as held by it, used or not. What it lends comes back: jobs within nominal quota may stop preemptible ones of a project of
their cohort that is above its own (`planning/borrowers.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from scheduling.resources import Resources
from scheduling.sharing.quotas import Usage, enforced
from scheduling.snapshot import NO_LOAN_LIMITS, ProjectView

RESOURCES = ("gpus", "cpus", "memory_mb")
"""What can be borrowed."""
FREE = 10**12
"""Who has no limit has so much left of it."""

Amounts = Mapping[str, int]
"""By resource."""


@dataclass(frozen=True, slots=True)
class Member:
    """What a project has of its own of each resource that is limited, may borrow beside, and keeps to itself."""

    slug: str
    nominal: Amounts
    borrows: Amounts
    keeps: Amounts


class Loans(NamedTuple):
    """Of one project and one resource: held beyond its nominal quota; left by it, and held by others meanwhile."""

    borrowed: int
    lent: int


class UsageTable(dict[str, Usage]):
    """What projects hold, which changes in a pass; remembers what those below each keep and do not use, while that holds."""

    def __init__(self, usage: Mapping[str, Usage], cohorts: "Cohorts", kept: Mapping[str, dict[str, int]]) -> None:
        super().__init__(usage)
        self._cohorts = cohorts
        self.kept = dict(kept)

    def __setitem__(self, slug: str, used: Usage) -> None:
        super().__setitem__(slug, used)
        for one in self._cohorts.chain(slug) if self.kept else ():
            self.kept.pop(one, None)

    def copy(self) -> "UsageTable":
        return UsageTable(self, self._cohorts, self.kept)


class Cohorts:
    """All cohorts of a tree in which somebody borrows, or keeps anything to himself."""

    def __init__(self, projects: Iterable[ProjectView]) -> None:
        views = {one.slug: one for one in projects}
        self._parents = {slug: one.parent for slug, one in views.items()}
        self._members = {slug: _member(one) for slug, one in views.items()}
        self._chains: dict[str, tuple[Member, ...]] = {}
        self._slugs: dict[str, tuple[str, ...]] = {}
        self._branches: dict[tuple[str, str], tuple[str, str] | None] = {}
        self._below: dict[str, list[Member]] = {}
        for slug, parent in self._parents.items():
            if parent is not None:
                self._below.setdefault(parent, []).append(self._members[slug])
        self._keeping: dict[str, list[Member]] = {}  # by parent: those who keep something, or somebody below them does
        for member in self._members.values():
            if any(member.keeps.values()):
                self._note_keeper(member)
        self.keeps_anything = bool(self._keeping)
        self._pools = {
            (parent, name): sum(one.nominal.get(name, 0) for one in members)
            for parent, members in self._below.items()
            for name in RESOURCES
            if name not in self._members[parent].nominal and any(one.borrows.get(name) for one in members)
        }

    @classmethod
    def of(cls, projects: Sequence[ProjectView]) -> Self | None:
        """None where quotas are nothing but limits: then each can be looked at by itself."""
        return cls(projects) if any(map(_is_shared, projects)) else None

    def _note_keeper(self, member: Member) -> None:
        parent = self._parents[member.slug]
        while parent is not None and member not in self._keeping.setdefault(parent, []):
            self._keeping[parent].append(member)
            member, parent = self._members[parent], self._parents[parent]

    def _chain(self, slug: str) -> tuple[Member, ...]:
        known = self._chains.get(slug)
        if known is None:
            found: dict[str, Member] = {}
            at: str | None = slug
            while at in self._members and at not in found:  # an association is in no cohort
                found[at], at = self._members[at], self._parents[at]
            known = self._chains[slug] = tuple(found.values())
        return known

    def table(self, usage: Mapping[str, Usage]) -> UsageTable:
        """The usage, to be asked about often while it changes."""
        return UsageTable(usage, self, {})

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
        return _held(usage, slug, name) + self._kept_below(slug, name, usage)

    def _kept_below(self, slug: str, name: str, usage: Mapping[str, Usage]) -> int:
        if slug not in self._keeping:
            return 0
        known = usage.kept.setdefault(slug, {}) if isinstance(usage, UsageTable) else {}
        found = known.get(name)
        if found is None:
            found = known[name] = sum(
                self.claimed(one.slug, name, usage) - _held(usage, one.slug, name) for one in self._keeping[slug]
            )
        return found

    def pool(self, parent: str, name: str) -> int | None:
        """What those below the parent have together; None where its own limit says it, or where nobody borrows."""
        return self._pools.get((parent, name))

    def taken(self, parent: str, name: str, usage: Mapping[str, Usage]) -> int:
        """What is gone of the pool. Who holds more than is allowed, as his limit shrank, takes nothing from the others."""
        return sum(
            min(self.claimed(one.slug, name, usage), one.nominal[name] + one.borrows.get(name, 0))
            for one in self._below[parent]
            if name in one.nominal
        )

    def added(self, slug: str, level: str, name: str, more: int, usage: Mapping[str, Usage]) -> int:
        """How much more is committed in the project `level`, if this one below it, or itself, holds so much more."""
        rises = more
        for member in self._chain(slug):
            if member.slug == level:
                break
            rises = self._rise(member, name, more, rises, usage)
        return max(0, rises)

    def _rise(self, member: Member, name: str, more: int, committed: int, usage: Mapping[str, Usage]) -> int:
        """By how much the claim of a project rises, if it holds so much more, and so much of that is newly committed."""
        held, before = _held(usage, member.slug, name), self.committed(member.slug, name, usage)
        return _claim(member, name, held + more, before + committed) - _claim(member, name, held, before)

    def nominal(self, slug: str, name: str) -> int | None:
        return self._members[slug].nominal.get(name)

    def ceiling(self, slug: str, name: str) -> int | None:
        """What the project may hold, with all that it may borrow."""
        member = self._members[slug]
        return member.nominal[name] + member.borrows.get(name, 0) if name in member.nominal else None

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

    def short(
        self, slug: str, name: str, more: int, usage: Mapping[str, Usage], *, firm: bool
    ) -> Iterator[tuple[str, int]]:
        """By which level so much more is refused, and by how much, beside each project's own limit on what it holds."""
        rises = more
        for member in self._chain(slug):
            committed = self.committed(member.slug, name, usage)
            if name in member.nominal and rises > 0:
                most = member.nominal[name] + (0 if firm else member.borrows.get(name, 0))
                # What the project's own limit says of what is really held is said by that limit.
                if committed > _held(usage, member.slug, name) and committed + rises > most:
                    yield member.slug, committed + rises - most
            rises = self._rise(member, name, more, rises, usage)
            parent = self._parents[member.slug]
            pool = self.pool(parent, name) if parent is not None and name in member.nominal else None
            if parent is not None and pool is not None and rises > 0:
                short = self.taken(parent, name, usage) + rises - pool
                if short > 0:
                    yield parent, short

    def borrowed_below(self, level: str, name: str, usage: Mapping[str, Usage]) -> dict[str, int]:
        """What each project right below this one has borrowed, if it has."""
        above = {one.slug: self.over(one.slug, name, usage) for one in self._below.get(level, ())}
        return {slug: amount for slug, amount in above.items() if amount > 0}

    def over(self, slug: str, name: str, usage: Mapping[str, Usage]) -> int:
        """How much the project holds beyond its nominal quota; less than nothing where it has some left."""
        nominal = self._members[slug].nominal.get(name)
        return -FREE if nominal is None else _held(usage, slug, name) - nominal

    def is_above(self, slug: str, usage: Mapping[str, Usage]) -> bool:
        """Whether the project, or one above it, holds more than its nominal quota of anything."""
        return any(self.over(member.slug, name, usage) > 0 for member in self._chain(slug) for name in member.nominal)

    def is_within(self, slug: str, more: Resources, usage: Mapping[str, Usage]) -> bool:
        """Whether the project has a nominal quota of what is asked for, and stays within it with so much more."""
        member = self._members[slug]
        asked = [name for name in RESOURCES if getattr(more, name) and name in member.nominal]
        return bool(asked) and all(self.over(slug, name, usage) + getattr(more, name) <= 0 for name in asked)

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
        free = None if parent is None else self._free(parent, name, usage)
        borrowed = max(0, self.over(slug, name, usage))
        if parent is None or free is None or name not in member.nominal:
            return Loans(borrowed, 0)
        left = member.nominal[name] - self.claimed(slug, name, usage)
        others = sum(max(0, self.over(one.slug, name, usage)) for one in self._below[parent] if one is not member)
        return Loans(borrowed, max(0, min(others, left - max(0, free))))

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

    def branch_below(self, level: str, slug: str) -> str | None:
        before: str | None = None
        for member in self._chain(slug):
            if member.slug == level:
                return before
            before = member.slug
        return None


def _claim(member: Member, name: str, held: int, committed: int) -> int:
    """Those below it cannot keep more to themselves than it has."""
    kept = min(committed, member.nominal[name]) if name in member.nominal else committed
    return max(held, kept, member.keeps.get(name, 0))


def _held(usage: Mapping[str, Usage], slug: str, name: str) -> int:
    used = usage.get(slug)
    return 0 if used is None else int(getattr(used.amount, name))


def _is_shared(project: ProjectView) -> bool:
    limits = enforced(project)
    return limits is not None and (limits.borrowing != NO_LOAN_LIMITS or limits.lending != NO_LOAN_LIMITS)


def _member(project: ProjectView) -> Member:
    limits = enforced(project)
    if limits is None:
        return Member(project.slug, {}, {}, {})
    nominal = {name: most for name in RESOURCES if (most := getattr(limits, name)) is not None}
    lends = {name: most for name in nominal if (most := getattr(limits.lending, name)) is not None}
    return Member(
        project.slug,
        nominal,
        {name: getattr(limits.borrowing, name) or 0 for name in nominal if project.parent is not None},
        {name: max(0, nominal[name] - lent) for name, lent in lends.items()},
    )
