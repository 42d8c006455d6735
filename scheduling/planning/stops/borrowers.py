"""Who gives nominal quota back: running jobs of projects that hold more than their own, for those whose own it is.

Whoever waits within nominal quota, at any priority, may stop preemptible jobs of a project of the same cohort that is
above its own, until that is not above it any more. No limit on preemptions counts here: who borrows knows that it may end at any time.
The project that is most above its own gives first; in it the least urgent job that loses least.
"""

from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from scheduling.plan_result import PlannedJob
from scheduling.planning.cluster import Cluster
from scheduling.planning.stops.victims import Candidate, Victim, lost_seconds
from scheduling.resources import Resources, total
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.ledger import Ledger
from scheduling.sharing.usage_decay import gpu_equivalents
from scheduling.snapshot import RunningJob, Snapshot, WaitingJob
from scheduling.stages import started

STRATEGY = "quota"
More: TypeAlias = Mapping[tuple[str, str], int]
NO_MORE: More = {}


class Borrowers:
    """All that may be stopped so that nominal quota comes back, less those that already are for others in this pass.

    `cluster` is the pass's own: what it says of usage changes as jobs are stopped and helped. With `more` projects count as
    if they held that as well, by project and resource: who would borrow more stands to lose more. Those who have `begun` in
    this pass are among them.
    """

    def __init__(
        self,
        cohorts: Cohorts,
        snapshot: Snapshot,
        now: float,
        cluster: Cluster,
        more: More = NO_MORE,
        begun: Sequence[tuple[WaitingJob, PlannedJob]] = (),
    ) -> None:
        self._cohorts = cohorts
        self._more = more
        self._cluster = cluster
        restart_cost = snapshot.rules.preemption.restart_cost_seconds
        able = [job for job in snapshot.running if job.preemptible and not job.leaving and job.started_at is not None]
        above = self._above({job.project for job in able} | {job.project for job, _ in begun})
        new = [started(job, one.shares, now) for job, one in begun if job.project in above and job.preemptible]
        borrowing = [*(job for job in able if job.project in above), *new]
        self._lost = {job.id: lost_seconds(job, now, restart_cost) for job in borrowing}
        self._able: dict[str, list[RunningJob]] = {}  # by project, who is to go first comes first
        for job in sorted(borrowing, key=self._cost):
            self._able.setdefault(job.project, []).append(job)
        self._levels = {slug: cohorts.chain(slug) for slug in self._able}
        self._reached: dict[tuple[str, Resources], frozenset[Hashable]] = {}

    def _above(self, slugs: Iterable[str]) -> set[str]:
        """Those of these projects that hold more than their own, or that lie below one that does."""
        usage, chains = self._cluster.usage, {slug: self._cohorts.chain(slug) for slug in slugs}
        levels = {level for chain in chains.values() for level in chain}
        over = {level for level in levels if any(self._over(level, name, usage) > 0 for name in RESOURCES)}
        return {slug for slug, chain in chains.items() if not over.isdisjoint(chain)}

    def _over(self, slug: str, name: str, usage: Ledger) -> int:
        over = self._cohorts.over(slug, name, usage)
        return over + self._more.get((slug, name), 0) if self._more else over

    def _cost(self, job: RunningJob) -> tuple[int, float, int]:
        """The least urgent goes first, then who loses the least work."""
        width = sum(gpu_equivalents(share.amount) for share in job.shares)
        return job.priority, self._lost[job.id] * width, job.id

    def __bool__(self) -> bool:
        return bool(self._able)

    def lost(self, job: RunningJob) -> float:
        return self._lost[job.id]

    def group(self, victim: Victim) -> str:
        return victim.job.project

    def of(self, groups: Container[Hashable]) -> list[RunningJob]:
        return [job for slug, jobs in self._able.items() if slug in groups for job in jobs]

    def stopped(self, job: WaitingJob, victims: Iterable[RunningJob]) -> None:  # noqa: ARG002 - for whomever
        gone = {one.id for one in victims}
        self._able = {
            slug: left for slug, jobs in self._able.items() if (left := [one for one in jobs if one.id not in gone])
        }
        self._reached.clear()

    def reached(self, job: WaitingJob) -> frozenset[Hashable]:
        """The projects of which anybody may be stopped for the job."""
        key = (job.project, job.request.total)
        found = self._reached.get(key)
        if found is None:
            usage = self._cluster.usage
            own = {slug for slug in self._cohorts.chain(job.project) if self._cohorts.is_within(slug, key[1], usage)}
            branches = {slug: self._cohorts.branches(job.project, slug) for slug in self._able} if own else {}
            near = [slug for slug, two in branches.items() if two is not None and two[0] in own]
            found = self._reached[key] = frozenset(slug for slug in near if self._owes(slug, job, usage) is not None)
        return found

    def choices(self, job: WaitingJob) -> Iterator[list[Victim]]:
        """First those that go if each project gives no more than it has borrowed; then all who could, to be held to that."""
        reached = self.reached(job)
        yield _as_victims(self._one_after_another(job, reached), self._lost)
        everybody = sorted(
            (self._place(slug, job, self._cluster.usage), slug) for slug in self._able if slug in reached
        )
        yield _as_victims([one for _, slug in everybody for one in self._able[slug]], self._lost)

    def allows(self, job: WaitingJob, victims: Sequence[Victim]) -> bool:
        """Whether they can go one after another, each of a project that is above its own until then."""
        usage, left = self._cluster.usage.copy(), sorted((one.job for one in victims), key=_size)
        return all(self._gives(one, job, usage) for one in left)

    def _gives(self, victim: RunningJob, job: WaitingJob, usage: Ledger) -> bool:
        owes = self._owes(victim.project, job, usage) is not None
        _leave(usage, victim)
        return owes

    def _owes(self, slug: str, job: WaitingJob, usage: Ledger) -> str | None:
        """The member of the job's cohort that the project lies below, if that is above its own of what the job has left."""
        branches = self._cohorts.branches(job.project, slug)
        if branches is None or not self._cohorts.is_within(branches[0], job.request.total, usage):
            return None
        ours, theirs = branches
        borrowed = any(
            getattr(job.request.total, name)
            and self._cohorts.nominal(ours, name) is not None
            and self._over(theirs, name, usage) > 0
            for name in RESOURCES
        )
        return theirs if borrowed else None

    def _one_after_another(self, job: WaitingJob, reached: Container[Hashable]) -> list[RunningJob]:
        usage, found = self._cluster.usage.copy(), list[RunningJob]()
        left = {slug: list(reversed(jobs)) for slug, jobs in self._able.items() if slug in reached}
        while left:
            owing = [(self._place(slug, job, usage), slug) for slug in left if self._owes(slug, job, usage) is not None]
            if not owing:
                break
            slug = min(owing)[1]
            found.append(left[slug].pop())
            _leave(usage, found[-1])
            if not left[slug]:
                del left[slug]
        return found

    def _place(self, slug: str, job: WaitingJob, usage: Ledger) -> tuple[int, ...]:
        """To sort projects by: the one most above its own first, level by level from the cohort that it shares down."""
        name = next(one for one in RESOURCES if getattr(job.request.total, one))
        levels = self._levels[slug]
        branches = self._cohorts.branches(job.project, slug)
        below = levels[: levels.index(branches[1]) + 1] if branches is not None else levels
        return tuple(self._order(one, name, usage) for one in reversed(below))

    def _order(self, slug: str, name: str, usage: Ledger) -> int:
        """Below nothing who is above its own, then who has no limit, then who is within it."""
        if self._cohorts.nominal(slug, name) is None:
            return 0
        over = self._cohorts.over(slug, name, usage)
        return -over if over > 0 else 1


def _leave(usage: Ledger, job: RunningJob) -> None:
    usage.change(job.project, total(share.amount for share in job.shares) * -1, -1)


def _as_victims(jobs: Iterable[RunningJob], lost: dict[int, float]) -> list[Victim]:
    """Their place in the order of giving back stands where else the priority counts first."""
    return [Victim(Candidate(place, 0.0, lost[job.id], job.id, job), STRATEGY) for place, job in enumerate(jobs)]


def _size(job: RunningJob) -> tuple[int, ...]:
    held = total(share.amount for share in job.shares)
    return (held.all_gpu_milli, held.cpus, held.memory_mb, job.id)
