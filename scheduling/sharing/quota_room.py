"""Room kept inside quotas and queues' limits for jobs that wait, as `reservations` keeps it on nodes.

Without it a large job at the head of the line starves: whatever its project frees is taken by the next small one.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from scheduling.nodes.profile import FOREVER
from scheduling.resources import total
from scheduling.run_times import latest_end
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.ledger import Ledger
from scheduling.sharing.quota_profile import (
    COHORT,
    NOTHING,
    PART,
    QUEUE,
    Count,
    End,
    Key,
    Limit,
    QuotaProfile,
    count_of,
)
from scheduling.sharing.quotas import NOTHING_USED
from scheduling.snapshot import ProjectView, RunningJob, chain_of

IN_NO_COHORT = frozenset({QUEUE, PART})
Limits: TypeAlias = tuple[Limit, ...]
"""All the limits that a job counts under."""


class KeptInQuota(NamedTuple):
    """For whom room is kept under a limit, and from when on."""

    job_id: int
    start: float
    end: float
    holds: Count


class Crowded(NamedTuple):
    """A limit without room for all that a job asks for, though it may add less there; and what is left of what it lacks."""

    limit: Limit
    left: Sequence[tuple[int, float]] = ()  # by kind


class Tight(NamedTuple):
    """A limit under which a job has to look for a moment, what it takes of it, and what is free when."""

    limit: Limit
    asked: Count
    profile: QuotaProfile

    @property
    def is_for_good(self) -> bool:
        """Whether there is too little even once all have ended who run."""
        return self.profile.never_allows(self.asked)

    def allows(self, length: float, at: float) -> bool:
        return self.profile.allows(self.asked, length, at)


class Started(NamedTuple):
    """The jobs placed in this pass under the same limits, and what the profiles of these are told of those that follow."""

    limits: Limits  # kept, so that no others get their identity
    ends: list[End]
    profiled: list[list[End]]


class QuotaRoom:
    """What is kept under each limit in one planning pass. `usage` and `in_queues` are the pass's own, and change with it.

    A profile is made for a limit only when the sum of all that is kept and used under it is too much. `endless`: what jobs
    without a limit may have beside is another matter, as nobody counts on their ends.
    """

    def __init__(
        self,
        running: Sequence[RunningJob],
        now: float,
        assumed_limit: float,
        usage: Ledger,
        in_queues: Mapping[str, int],
        projects: Mapping[str, ProjectView],
        cohorts: Cohorts | None = None,
        *,
        endless: bool = False,
    ) -> None:
        self._running = running
        self._now = now
        self._assumed_limit = assumed_limit
        self._usage = usage
        self._sums: dict[Key, Count] = {}  # of all that is kept under each limit
        self._kept_kinds = frozenset() if cohorts is None else cohorts.kept_kinds
        self._in_queues = in_queues
        self._projects = projects
        self._cohorts = cohorts
        self._started: dict[int, Started] = {}  # by identity of their limits
        self._started_under: dict[Key, list[Started]] = {}
        self._kept: dict[Key, list[KeptInQuota]] = {}
        self._kept_under: dict[int, tuple[Limits, list[Limit]]] = {}  # by identity: those of them with anything kept
        self._blocked: dict[Key, int] = {}
        self._profiles: dict[Key, QuotaProfile] = {}
        self._ends: dict[str, list[tuple[str | None, list[End]]]] | None = None
        self._endless = QuotaRoom(running, now, FOREVER, usage, in_queues, projects, cohorts) if endless else None

    def beside(self, length: float) -> "QuotaRoom":
        """What jobs of that length may have: those that may run FOREVER, as if no job without a limit ever ended."""
        return self._endless if length == FOREVER and self._endless is not None else self

    def started(self, limits: Limits, count: Count, end: float, *, endless: bool = False) -> None:
        """A job was placed in this pass; it is in `usage` already. `endless`: nobody counts on its end."""
        if self._endless is not None:
            self._endless.started(limits, count, FOREVER if endless else end)
        known, one = self._started.get(id(limits)), (end, count)
        if known is None:
            profiled = [self._profiles[limit.key].started for limit in limits if limit.key in self._profiles]
            known = self._started[id(limits)] = Started(limits, [], profiled)
            for limit in limits:
                self._started_under.setdefault(limit.key, []).append(known)
        known.ends.append(one)
        for ends in known.profiled:
            ends.append(one)

    def fits(self, limits: Limits, count: Count, length: float) -> bool:
        """Whether such a job could start now without delaying those for whom room is kept. It must be allowed now."""
        if not self._kept:
            return True
        if self.beside(length) is not self:
            return self.beside(length).fits(limits, count, length)
        known = self._kept_under.get(id(limits))
        if known is None:
            known = self._kept_under[id(limits)] = (limits, [one for one in limits if one.key in self._kept])
        crowded = self._crowded(known[1], count)
        return not crowded or all(one.allows(length, self._now) for one in self._tight(crowded, count))

    def in_the_way(
        self, limits: Limits, count: Count, length: float, others: Container[int]
    ) -> tuple[Limit, tuple[int, ...]] | None:
        """The first limit under which a job that is allowed now would delay one of these others, and whom."""
        for limit in limits if self._kept else ():
            ids = tuple([one.job_id for one in self._kept.get(limit.key, ()) if one.job_id in others])
            if ids and not all(one.allows(length, self._now) for one in self.beside(length).tight((limit,), count)):
                return limit, ids
        return None

    def tight(self, limits: Iterable[Limit], count: Count, depth: float = FOREVER) -> list[Tight]:
        """The limits that do not allow such a job at any time: together with all that is used and kept, it is too much.

        Only those that refused fewer than `depth` jobs for whom room is kept.
        """
        if depth < FOREVER:
            limits = [one for one in limits if self._blocked.get(one.key, 0) < depth]
        return self._tight(self._crowded(limits, count), count)

    def earliest(self, tight: Sequence[Tight], length: float, after: float) -> float:
        """The first moment, not before `after`, at which all of them allow the job to the end; FOREVER if they never will."""
        start = after
        while True:
            late = start
            for one in tight:
                late = max(late, one.profile.earliest(one.asked, length, start))
                if late == FOREVER:
                    return late
            if late == start:
                return late
            start = late

    def refusing(self, tight: Iterable[Tight], length: float) -> list[Limit]:
        """Those under which the job may not start now, or would delay those for whom room is kept."""
        return [one.limit for one in tight if not one.allows(length, self._now)]

    def blocked(self, limit: Limit) -> int:
        """For how many jobs room is kept that this limit refused."""
        return self._blocked.get(limit.key, 0)

    def keep(self, limits: Limits, kept: KeptInQuota, refusing: Iterable[Limit] = ()) -> None:
        """From now on nobody starts who would delay this job under any of its limits."""
        if self._endless is not None:
            self._endless.keep(limits, kept)
        self._kept_under.clear()
        for limit in limits:
            holds = limit.asked(self._added(limit, kept.holds))
            self._kept.setdefault(limit.key, []).append(kept._replace(holds=holds))
            self._sums[limit.key] = self._sums.get(limit.key, NOTHING).plus(holds)
            if limit.key in self._profiles:
                self._profiles[limit.key].allocate(kept.start, kept.end, holds)
        for limit in refusing:
            self._blocked[limit.key] = self.blocked(limit) + 1

    def _crowded(self, limits: Iterable[Limit], count: Count) -> list[Crowded]:
        """Those that may be `tight`: where the job does not fit beside all that is used and kept, if it adds all it asks for."""
        counts, kept, found = self._usage.counts, self._sums, list[Crowded]()
        for limit in limits:
            sums, short = kept.get(limit.key, NOTHING) if kept else NOTHING, None
            for kind, cell, most in limit.checks:
                more = count[kind]
                if more and more > (left := most - counts[cell] - sums[kind]):
                    short = [*short, (kind, left)] if short else [(kind, left)]
            if short or (limit.kind in IN_NO_COHORT and not self._has_room(limit, count, sums)):
                found.append(Crowded(limit, short or ()))
        return found

    def _has_room(self, limit: Limit, count: Count, sums: Count) -> bool:
        if limit.kind == QUEUE:
            return self._used(limit).running_jobs + sums.running_jobs < limit.most.running_jobs
        return count.fits(limit.most.plus(self._used(limit), -1).plus(sums, -1))

    def _tight(self, crowded: Iterable[Crowded], count: Count) -> list[Tight]:
        found = list[Tight]()
        for limit, left in crowded:
            added = self._added(limit, count)
            if not left or any(0 < added[kind] > most for kind, most in left):
                found.append(Tight(limit, limit.asked(added), self._profile(limit)))
        return found

    def _added(self, limit: Limit, count: Count) -> Count:
        """What such a job adds under the limit: nothing of what its project, or one on the way there, keeps to itself anyway."""
        kept = [kind for kind in self._kept_kinds if count[kind]] if limit.kind not in IN_NO_COHORT else ()
        if not kept:
            return count
        amounts = list(count)
        for kind in kept:
            amounts[kind] = self._usage.added(limit.origin, kind, int(count[kind]), limit.name)
        return Count(*amounts)

    def _used(self, limit: Limit) -> Count:
        """What is in use, or kept by those below."""
        if limit.kind == QUEUE:
            return Count(0, 0, 0, self._in_queues.get(limit.name, 0))
        if limit.kind == COHORT and self._cohorts is not None:
            taken = self._cohorts.taken(limit.name, limit.resource, self._usage)
            return NOTHING._replace(**{limit.resource: taken})
        used = self._usage.get(limit.name, NOTHING_USED)
        count = count_of(used.amount, used.running_jobs)
        if not self._kept_kinds or limit.kind == PART:
            return count
        committed = {name: self._usage.committed(limit.name, name) for name in RESOURCES}
        return count._replace(**committed)

    def _profile(self, limit: Limit) -> QuotaProfile:
        found = self._profiles.get(limit.key)
        if found is None:
            started = self._started_under.get(limit.key, ())
            ends = [*self._ends_under(limit), *(end for one in started for end in one.ends)]
            found = QuotaProfile(limit.most.plus(self._used(limit), -1), self._now, ends)
            self._profiles[limit.key] = found
            for one in started:
                one.profiled.append(found.started)
            for kept in self._kept.get(limit.key, ()):
                found.allocate(kept.start, kept.end, kept.holds)
        return found

    def _ends_under(self, limit: Limit) -> Iterable[End]:
        if limit.kind == COHORT:
            return self._ends_in_cohort(limit)
        if limit.kind == QUEUE:
            queued = (job for job in self._running if job.queue == limit.name)
            return [(self._end(job), Count(0, 0, 0, 1)) for job in queued]
        if limit.part is not None:
            own = (job for job in self._running if limit.part.covers(job, self._projects))
            held = ((job, total(share.amount for share in job.shares)) for job in own)
            return [(self._end(job), count_of(limit.part.held(job.shares, amount))) for job, amount in held]
        return [end for _, ends in self._below(limit.name) for end in ends]

    def _ends_in_cohort(self, limit: Limit) -> list[End]:
        """Of the jobs below the members that have a quota of what is shared."""
        name, cohorts = limit.resource, self._cohorts
        return [
            end
            for branch, ends in self._below(limit.name)
            if branch is not None and cohorts is not None and cohorts.nominal(branch, name) is not None
            for end in ends
        ]

    def _below(self, level: str) -> Sequence[tuple[str | None, list[End]]]:
        """When the jobs of each project there end, and which project right below the level it is or lies below."""
        if self._ends is None:
            by_project: dict[str, list[End]] = {}
            for job in self._running:
                held = count_of(total(share.amount for share in job.shares))
                by_project.setdefault(job.project, []).append((self._end(job), held))
            self._ends = {}
            for slug, ends in by_project.items():
                branch: str | None = None
                for project in chain_of(slug, self._projects):
                    self._ends.setdefault(project.slug, []).append((branch, ends))
                    branch = project.slug
        return self._ends.get(level, ())

    def _end(self, job: RunningJob) -> float:
        return latest_end(job, self._now, self._assumed_limit)
