"""The tree of projects as quotas see it: what each has of its own, may borrow and keeps, and what cohorts have together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scheduling.sharing.quotas import enforced
from scheduling.snapshot import ProjectView

RESOURCES = ("gpus", "cpus", "memory_mb")
"""What can be borrowed."""

Amounts = Mapping[str, int]
"""By resource."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """What a project has of its own of each resource that is limited, may borrow beside, and keeps to itself."""

    slug: str
    nominal: Amounts
    borrows: Amounts
    keeps: Amounts
    running_jobs: int | None = None

    def most(self, name: str, *, firm: bool = False) -> int | None:
        """What it may hold, with all that it may borrow; `firm` jobs borrow nothing. None: any amount."""
        own = self.nominal.get(name)
        return own if own is None or firm else own + self.borrows[name]


class CohortTree:
    """Does not change in a pass."""

    def __init__(self, projects: Iterable[ProjectView]) -> None:
        self.views = {one.slug: one for one in projects}
        self.parents = {slug: one.parent for slug, one in self.views.items()}
        self.members = {slug: _member(one) for slug, one in self.views.items()}
        self.below: dict[str, list[Member]] = {}
        for slug, parent in self.parents.items():
            if parent is not None:
                self.below.setdefault(parent, []).append(self.members[slug])
        # By parent and resource: those who keep some of it, or somebody below them does.
        self.keeping: dict[tuple[str, str], list[Member]] = {}
        for member in self.members.values():
            for name in [name for name, amount in member.keeps.items() if amount]:
                self._note_keeper(member, name)
        self._pools = {
            (parent, name): sum(one.nominal.get(name, 0) for one in members)
            for parent, members in self.below.items()
            for name in RESOURCES
            if name not in self.members[parent].nominal and any(one.borrows.get(name) for one in members)
        }
        self._chains: dict[str, tuple[Member, ...]] = {}

    def _note_keeper(self, member: Member, name: str) -> None:
        parent = self.parents[member.slug]
        while parent is not None and member not in self.keeping.setdefault((parent, name), []):
            self.keeping[parent, name].append(member)
            member, parent = self.members[parent], self.parents[parent]

    def chain(self, slug: str) -> tuple[Member, ...]:
        """The project and all above it."""
        known = self._chains.get(slug)
        if known is None:
            found: dict[str, Member] = {}
            at: str | None = slug
            while at is not None and at not in found:
                found[at], at = self.members[at], self.parents[at]
            known = self._chains[slug] = tuple(found.values())
        return known

    def pool(self, parent: str | None, name: str) -> int | None:
        """What those below the parent have together; None where its own limit says it, or where nobody borrows."""
        return None if parent is None else self._pools.get((parent, name))


def claim(held: int, committed: int, nominal: int | None, keeps: int) -> int:
    """What counts as held by a project for those above it. Those below it cannot keep more than it has itself."""
    kept = committed if nominal is None or committed < nominal else nominal
    most = held if held > kept else kept  # noqa: FURB136 - `max` takes three times as long, and each level asks
    return most if most > keeps else keeps  # noqa: FURB136 - as above


def claim_rises(held: int, committed: int, more: int, rises: int, nominal: int | None, keeps: int) -> int:
    """By how much a project's claim rises if it holds so much more, and so much of that is newly committed there."""
    if held == committed and not keeps:  # nobody keeps anything there: what is held is what counts
        return more
    if nominal is None or keeps <= committed <= nominal - rises:  # all that is committed counts
        return rises
    if held >= nominal:  # all that is held counts, and nothing beside it
        return more
    return claim(held + more, committed + rises, nominal, keeps) - claim(held, committed, nominal, keeps)


def _member(project: ProjectView) -> Member:
    limits = enforced(project)
    if limits is None:
        return Member(project.slug, {}, {}, {})
    nominal = {name: most for name in RESOURCES if (most := getattr(limits, name)) is not None}
    lends = {name: most for name in nominal if (most := getattr(limits.lending, name)) is not None}
    return Member(
        project.slug,
        nominal,
        {name: getattr(limits.borrowing, name) or 0 if project.parent is not None else 0 for name in nominal},
        {name: max(0, nominal[name] - lent) for name, lent in lends.items()},
        limits.running_jobs,
    )
