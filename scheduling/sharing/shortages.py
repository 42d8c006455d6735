"""By how much quotas are too small for a request, level by level: numbers, of which `quota_refusals` makes words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from scheduling.reasons import ReasonCode
from scheduling.resources import Resources
from scheduling.sharing.cohort_tree import RESOURCES, Amounts, Member, claim_rises
from scheduling.sharing.ledger import INDEX, JOBS, KINDS, NOWHERE, Ledger, Levels, Way
from scheduling.sharing.quotas import lacking
from scheduling.snapshot import ProjectView

Rises: TypeAlias = tuple[int, ...]
"""For each resource that is asked for: how much more counts as held by the level below."""
Asked: TypeAlias = tuple[int, int, int, bool]
"""GPUs, CPUs and memory, and whether it is for a job that may not be stopped again."""
MOST_REQUESTS = 200
"""Of so many different ones it is kept what was found; most platforms have fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class Shortage:
    """What one level lacks, by name."""

    subject: str
    short: Amounts

    @property
    def code(self) -> ReasonCode:
        return ReasonCode.QUOTA


@dataclass(frozen=True, slots=True, eq=False)
class OwnShortage(Shortage):
    """Of the quota of a project, or of a part of one."""

    project: ProjectView

    @property
    def code(self) -> ReasonCode:
        return self.project.code


@dataclass(frozen=True, slots=True, eq=False)
class CohortShortage(Shortage):
    """Of what the projects below the subject have together; `branch` is the one that the job comes from, if there is one."""

    branch: str | None


class Found(NamedTuple):
    """Of each project's own limit on what is held, level by level; of cohorts beside that, those first that lack what is named first."""

    own: tuple[OwnShortage, ...] = ()
    cohorts: tuple[CohortShortage, ...] = ()


class Shortages:
    """Asked while nothing changes: a level is looked at once for all who come to it from one project with the same."""

    def __init__(self, usage: Ledger) -> None:
        self._usage = usage
        self._known: dict[Asked, _OfRequest] = {}

    def of(self, asked: Resources, levels: Levels, *, firm: bool) -> Sequence[Shortage]:
        """Level by level, then parts of them, then cohorts; `firm`: for a job that may not be stopped again."""
        parts = self.of_parts(asked, levels.parts, firm=firm) if levels.parts else ()
        if not levels.projects:
            return parts
        found = self.of_project(asked, levels.projects[0].slug, firm=firm)
        return (*found.own, *parts, *found.cohorts)

    def of_project(self, asked: Resources, slug: str, *, firm: bool) -> Found:
        """For a job of this project."""
        key = (asked.gpus, asked.cpus, asked.memory_mb, firm)  # found sooner than by the resources as one
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_REQUESTS:
                self._known.clear()
            known = self._known[key] = _OfRequest(self._usage, asked, firm=firm)
        return known.from_project(slug)

    def of_parts(self, asked: Resources, parts: Sequence[ProjectView], *, firm: bool) -> Sequence[OwnShortage]:
        """Of parts of projects and queues, which are in no tree."""
        found = [(part, lacking(part, self._usage, asked, firm=firm)) for part in parts]
        return [OwnShortage(part.slug, short, part) for part, short in found if short]


class _OfRequest:
    """For all who ask for the same, and may all be stopped again, or none of them."""

    def __init__(self, usage: Ledger, asked: Resources, *, firm: bool) -> None:
        self._counts, self._cells, self._tree = usage.counts, usage.cells, usage.cells.tree
        amounts = [(name, getattr(asked, name)) for name in RESOURCES]
        self._asked = [(name, more) for name, more in amounts if more]
        self._firm = firm
        self._projects: dict[str, Found] = {}
        self._above: dict[tuple[str, Rises], Found] = {}

    def from_project(self, slug: str) -> Found:
        found = self._projects.get(slug)
        if found is None:
            found = self._projects[slug] = self._from_project(slug)
        return found

    def _from_project(self, slug: str) -> Found:
        ways = self._cells.ways(slug)
        asked_for = [ways[INDEX[name]] for name, _ in self._asked]
        return self._from(0, self._tree.chain(slug), asked_for, tuple([more for _, more in self._asked]))

    def _above_of(self, at: int, chain: Sequence[Member], ways: Sequence[Way], rises: Rises) -> Found:
        if at + 1 == len(chain):
            return NOTHING_FOUND
        key = (chain[at].slug, rises)
        found = self._above.get(key)
        if found is None:
            found = self._above[key] = self._from(at + 1, chain, ways, rises)
        return found

    def _from(self, at: int, chain: Sequence[Member], ways: Sequence[Way], rises: Rises) -> Found:
        """This level, and all above it."""
        member = chain[at]
        own, together, higher = self._lacks(at, ways, rises)
        if member.running_jobs is not None and (jobs := self._too_many(member, member.running_jobs)) > 0:
            own[KINDS[JOBS]] = jobs
        above = self._above_of(at, chain, ways, higher)
        if not own and not together:
            return above
        mine = (OwnShortage(member.slug, own, self._tree.views[member.slug]),) if own else ()
        branch = chain[at - 1].slug if at else None
        ours = (CohortShortage(member.slug, together, branch),) if together else ()
        cohorts = tuple(sorted((*ours, *above.cohorts), key=_first_named)) if ours else above.cohorts
        return Found((*mine, *above.own), cohorts)

    def _lacks(self, at: int, ways: Sequence[Way], rises: Rises) -> tuple[dict[str, int], dict[str, int], Rises]:
        """What its own limit lacks of each resource, what all there lack together, and how much more counts above it."""
        counts, higher = self._counts, list[int]()
        own, together = dict[str, int](), dict[str, int]()
        for (name, more), rise, way in zip(self._asked, rises, ways, strict=True):
            held, committed, _, nominal, keeps, most, _, _, _ = way[at]
            holds, has = counts[held], counts[committed]
            if nominal is not None:
                allowed = nominal if self._firm else most
                if holds + more > allowed:
                    own[name] = holds + more - allowed
                if rise > 0 and has > holds and has + rise > allowed:  # of what is really held its own limit speaks
                    together[name] = has + rise - allowed
            below = way[at - 1] if at and rise > 0 else None  # what those below have together, who have no limit above
            if below is not None and below.taken != NOWHERE and counts[below.taken] + rise > below.pool:
                together[name] = counts[below.taken] + rise - below.pool
            higher.append(claim_rises(holds, has, more, rise, nominal, keeps))
        return own, together, tuple(higher)

    def _too_many(self, member: Member, allowed: int) -> int:
        """By how many jobs there would be too many with one more."""
        return self._counts[self._cells.held(member.slug, KINDS[JOBS])] + 1 - allowed


NOTHING_FOUND = Found()


def _first_named(one: CohortShortage) -> int:
    return INDEX[next(iter(one.short))]
