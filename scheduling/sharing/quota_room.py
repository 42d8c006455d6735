"""Room kept inside quotas and queues' limits for jobs that wait, as `reservations` keeps it on nodes.

Without it a large job at the head of the line starves: whatever its project frees is taken by the next small one.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from scheduling.nodes.profile import FOREVER
from scheduling.resources import total
from scheduling.run_times import latest_end
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.quota_profile import COHORT, NOTHING, PART, QUEUE, Count, End, Limit, QuotaProfile, count_of
from scheduling.sharing.quotas import NOTHING_USED, Usage
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


class QuotaRoom:
    """What is kept under each limit in one planning pass. `usage` and `in_queues` are the pass's own, and change with it.

    A profile is made for a limit only when the sum of all that is kept and used under it is too much.
    """

    def __init__(
        self,
        running: Sequence[RunningJob],
        now: float,
        assumed_limit: float,
        usage: Mapping[str, Usage],
        in_queues: Mapping[str, int],
        projects: Mapping[str, ProjectView],
        cohorts: Cohorts | None = None,
    ) -> None:
        self._running = running
        self._now = now
        self._assumed_limit = assumed_limit
        self._usage = usage
        self._in_queues = in_queues
        self._projects = projects
        self._cohorts = cohorts
        self._started: list[tuple[float, Limits, Count]] = []
        self._kept: dict[Limit, list[KeptInQuota]] = {}
        self._sums: dict[Limit, Count] = {}
        self._blocked: dict[Limit, int] = {}
        self._profiles: dict[Limit, QuotaProfile] = {}
        self._ends: dict[str, list[End]] | None = None

    def started(self, limits: Limits, count: Count, end: float) -> None:
        """A job was placed in this pass; it is in `usage` already."""
        self._started.append((end, limits, count))
        for limit in limits if self._profiles else ():
            if limit in self._profiles:
                self._profiles[limit].allocate(self._now, end, _counting(limit, count))

    def fits(self, limits: Limits, count: Count, length: float) -> bool:
        """Whether such a job could start now without delaying those for whom room is kept. It must be allowed now."""
        return not self._kept or all(
            limit not in self._kept or self._fits(limit, count, length, self._now) for limit in limits
        )

    def in_the_way(
        self, limits: Limits, count: Count, length: float, others: Container[int]
    ) -> tuple[Limit, tuple[int, ...]] | None:
        """The first limit under which a job that is allowed now would delay one of these others, and whom."""
        for limit in limits if self._kept else ():
            ids = tuple([one.job_id for one in self._kept.get(limit, ()) if one.job_id in others])
            if ids and not self._fits(limit, count, length, self._now):
                return limit, ids
        return None

    def earliest(self, limits: Limits, count: Count, length: float, after: float) -> float:
        """The first moment, not before `after`, at which all limits allow the job to the end; FOREVER if they never will."""
        start = after
        while True:
            late = max((self._earliest(limit, count, length, start) for limit in limits), default=start)
            if late in {start, FOREVER}:
                return late
            start = late

    def refusing(self, limits: Limits, count: Count, length: float) -> list[Limit]:
        """The limits under which the job may not start now, or would delay those for whom room is kept."""
        return [limit for limit in limits if not self._fits(limit, count, length, self._now)]

    def blocked(self, limit: Limit) -> int:
        """For how many jobs room is kept that this limit refused."""
        return self._blocked.get(limit, 0)

    def keep(self, limits: Limits, kept: KeptInQuota, refusing: Iterable[Limit] = ()) -> None:
        """From now on nobody starts who would delay this job under any of its limits."""
        for limit in limits:
            holds = self._asked(limit, kept.holds)
            self._kept.setdefault(limit, []).append(kept._replace(holds=holds))
            self._sums[limit] = self._sums.get(limit, NOTHING).plus(holds)
            if limit in self._profiles:
                self._profiles[limit].allocate(kept.start, kept.end, holds)
        for limit in refusing:
            self._blocked[limit] = self._blocked.get(limit, 0) + 1

    def _fits(self, limit: Limit, count: Count, length: float, at: float) -> bool:
        return self._earliest(limit, count, length, at) == at

    def _earliest(self, limit: Limit, count: Count, length: float, after: float) -> float:
        count = self._asked(limit, count)
        together = self._used(limit).plus(self._sums.get(limit, NOTHING)).plus(count)
        if _counted(count, together).fits(limit.most):
            return after
        return self._profile(limit).earliest(count, length, after)

    def _asked(self, limit: Limit, count: Count) -> Count:
        """How much of the limit such a job takes; nothing of what its project keeps to itself anyway."""
        counting = _counting(limit, count)
        if self._cohorts is not None and self._cohorts.keeps_anything and limit.kind not in IN_NO_COHORT:
            added = self._cohorts.added
            amounts = {
                name: added(limit.origin, limit.name, name, more, self._usage)
                for name in RESOURCES
                if (more := getattr(counting, name))
            }
            counting = counting._replace(**amounts)
        return limit.asked(counting)

    def _used(self, limit: Limit) -> Count:
        """What is in use, or kept by those below."""
        if limit.kind == QUEUE:
            return Count(0, 0, 0, self._in_queues.get(limit.name, 0))
        if limit.kind == COHORT and self._cohorts is not None:
            taken = self._cohorts.taken(limit.name, limit.resource, self._usage)
            return NOTHING._replace(**{limit.resource: taken})
        used = self._usage.get(limit.name, NOTHING_USED)
        count = count_of(used.amount, used.running_jobs)
        if self._cohorts is None or not self._cohorts.keeps_anything or limit.kind == PART:
            return count
        committed = {name: self._cohorts.committed(limit.name, name, self._usage) for name in RESOURCES}
        return count._replace(**committed)

    def _profile(self, limit: Limit) -> QuotaProfile:
        found = self._profiles.get(limit)
        if found is None:
            started = ((end, _counting(limit, one)) for end, over, one in self._started if limit in over)
            ends = [*self._ends_under(limit), *started]
            free = limit.most.plus(self._used(limit), -1)
            found = self._profiles[limit] = QuotaProfile(free, self._now, ends)
            for one in self._kept.get(limit, ()):
                found.allocate(one.start, one.end, one.holds)
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
        by_project = self._by_project()
        below = [slug for slug in by_project if any(one.slug == limit.name for one in chain_of(slug, self._projects))]
        return [end for slug in below for end in by_project[slug]]

    def _ends_in_cohort(self, limit: Limit) -> list[End]:
        """Of the jobs below the members that have a quota of what is shared."""
        name, ends = limit.resource, list[End]()
        for slug, own in self._by_project().items():
            chain = [one.slug for one in chain_of(slug, self._projects)]
            place = chain.index(limit.name) if limit.name in chain else 0
            if place and self._cohorts is not None and self._cohorts.nominal(chain[place - 1], name) is not None:
                ends += [(end, NOTHING._replace(**{name: getattr(count, name)})) for end, count in own]
        return ends

    def _by_project(self) -> Mapping[str, list[End]]:
        if self._ends is None:
            self._ends = {}
            for job in self._running:
                held = count_of(total(share.amount for share in job.shares))
                self._ends.setdefault(job.project, []).append((self._end(job), held))
        return self._ends

    def _end(self, job: RunningJob) -> float:
        return latest_end(job, self._now, self._assumed_limit)


def _counting(limit: Limit, count: Count) -> Count:
    """What counts under the limit of such a job that runs."""
    if limit.kind != COHORT:
        return count
    return NOTHING._replace(**{limit.resource: getattr(count, limit.resource)})


def _counted(count: Count, together: Count) -> Count:
    """Only the kinds that the job counts for."""
    return Count(*(all_of if own else 0 for own, all_of in zip(count, together, strict=True)))
