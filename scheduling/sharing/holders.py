"""Who holds a quota or the places of a queue: named in the reasons of those that they keep waiting."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import nlargest, nsmallest
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode
from scheduling.resources import ZERO, Resources, total
from scheduling.snapshot import ProjectView, RunningJob, WaitingJob, chain_of

Shown: TypeAlias = Mapping[int, Mapping[str, int]]
"""Of each job that is named: what it has of what is short."""
OF_LIMITS = frozenset({ReasonCode.QUOTA, ReasonCode.QUEUE_LIMIT, ReasonCode.WORKLOAD_LIMIT})


class Holder(NamedTuple):
    """A job that holds a placement, or gets one in this very pass."""

    job_id: int
    project: str
    queue: str
    amount: Resources
    parts: tuple[str, ...] = ()  # in which a user's limits, or those of a GPU model, count it

    @classmethod
    def of(cls, job: RunningJob, parts: Iterable[ProjectView] = ()) -> "Holder":
        amount = total(share.amount for share in job.shares)
        return cls(job.id, job.project, job.queue, amount, tuple([one.slug for one in parts]))

    @classmethod
    def placed(cls, job: WaitingJob, parts: Iterable[ProjectView] = ()) -> "Holder":
        """A waiting job that starts now."""
        return cls(job.id, job.project, job.queue, job.request.total, tuple([one.slug for one in parts]))

    def has(self, names: Iterable[str]) -> dict[str, int]:
        """What it takes of each of these limits of a quota; what it takes nothing of is left out."""
        found = {name: 1 if name == "running_jobs" else getattr(self.amount, name) for name in names}
        return {name: amount for name, amount in found.items() if amount}


HOLDS_NOTHING = Holder(0, "", "", ZERO)


class Holders:
    """All of them, by project with all below it and by queue; sorted out when somebody asks."""

    def __init__(self, holders: Iterable[Holder], projects: Mapping[str, ProjectView]) -> None:
        self._projects = projects
        self._by_project: dict[str, list[Holder]] = {}
        self._by_part: dict[str, list[Holder]] = {}
        self._most: dict[tuple[str, tuple[str, ...]], Shown] = {}
        own: dict[str, list[Holder]] = {}
        self._all = tuple(holders)
        for one in self._all:
            own.setdefault(one.project, []).append(one)
            for slug in one.parts:
                self._by_part.setdefault(slug, []).append(one)
        for slug, ones in own.items():
            for project in chain_of(slug, projects):
                self._by_project.setdefault(project.slug, []).extend(ones)

    def named_in(self, reason: Reason) -> Reason:
        """The reason with those that hold what it speaks of, who holds most first; others stay as they are."""
        if reason.code is ReasonCode.QUEUE_LIMIT and reason.subject not in self._by_part:
            ids = sorted(one.job_id for one in self._all if one.queue == reason.subject)
            return replace(reason, held_by=tuple(ids[:HOLDERS_SHOWN]))
        if reason.code in OF_LIMITS and reason.subject:
            shown = self.of_quota(reason.subject, tuple(reason.shortfall))
            return replace(reason, held_by=tuple(shown), holds=shown)
        return reason

    def of_quota(self, slug: str, names: tuple[str, ...]) -> Shown:
        """Those that are named of a level that lacks these, who holds most first; worked out once for each kind of shortage, however many jobs it keeps waiting."""
        found = self._most.get((slug, names))
        if found is None:
            of = self._by_part if slug in self._by_part else self._by_project
            found = self._most[slug, names] = _shown(_most(of.get(slug, ()), names), names)
        return found


def _most(holders: Iterable[Holder], names: Sequence[str]) -> list[Holder]:
    """Those that hold any of these, who holds most of what is named first comes first."""
    amounts = [f"amount.{name}" for name in names if name != "running_jobs"]
    if not amounts:
        return nsmallest(HOLDERS_SHOWN, holders, key=attrgetter("job_id"))
    held = attrgetter(*amounts)  # a running job is one of them, whatever it holds
    nothing = None if len(amounts) < len(names) else held(HOLDS_NOTHING)
    most = nlargest(HOLDERS_SHOWN, [(has, -one.job_id, one) for one in holders if (has := held(one)) != nothing])
    return [one for _, _, one in most]


def with_holders(reason: Reason, holders: Sequence[Holder]) -> Reason:
    """The quota's reason with these jobs in their order, and what each has of what is short."""
    shown = _shown(holders[:HOLDERS_SHOWN], reason.shortfall)
    return replace(reason, held_by=tuple(shown), holds=shown)


def _shown(holders: Iterable[Holder], names: Iterable[str]) -> Shown:
    return {one.job_id: one.has(names) for one in holders}
