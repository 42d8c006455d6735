"""Who may be stopped for whom, by which right, and in which order: the cheapest first.

No two jobs can take turns at stopping each other. A job never gives way to one of lower priority; between equals, only
to a project that has less than its share from one that has more even without it (reclaim), or as a job without GPUs to
one that needs the node's GPUs (pressure).
"""

from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from scheduling.planning.ordering import prepared
from scheduling.policies import POLICIES, SchedulingPolicy, policy
from scheduling.rules import Preemption
from scheduling.sharing.deserved_share import FairShares
from scheduling.sharing.usage_decay import gpu_equivalents
from scheduling.snapshot import RunningJob, Snapshot, WaitingJob


class Candidate(NamedTuple):
    """A running job that may be stopped for some waiting one. Sorts by what stopping it costs."""

    priority: int
    spares: float  # how far its project is above its share, negated: who has most beyond it gives first
    lost: float  # seconds of work to be done again, times the GPUs or CPUs they were done on
    job_id: int
    job: RunningJob


class Group(NamedTuple):
    """Running jobs that the same rights reach, but for the size that reclaiming asks for."""

    project: str
    priority: int
    with_gpus: bool


class Victim(NamedTuple):
    """A candidate that is stopped for a certain waiting job, and by which right."""

    cost: Candidate
    strategy: str

    @property
    def job(self) -> RunningJob:
        return self.cost.job


Right = Callable[[RunningJob, WaitingJob, FairShares, Preemption], bool]


def has_gpus(job: RunningJob) -> bool:
    return any(share.amount.all_gpu_milli for share in job.shares)


def by_priority(victim: RunningJob, job: WaitingJob, _: FairShares, knobs: Preemption) -> bool:
    """The waiting job is more urgent by at least the gap."""
    return job.priority - victim.priority >= max(1, knobs.priority_gap)


def by_reclaim(victim: RunningJob, job: WaitingJob, standing: FairShares, _: Preemption) -> bool:
    """The waiting job's project takes back what the other has borrowed from its share."""
    same_kind = bool(job.request.gpus) == has_gpus(victim)
    return same_kind and victim.priority <= job.priority and standing.may_reclaim(job, victim)


def by_pressure(victim: RunningJob, job: WaitingJob, _: FairShares, __: Preemption) -> bool:
    """A job without GPUs holds the CPUs or the memory without which a node's GPUs lie idle."""
    return job.request.gpus > 0 and not has_gpus(victim) and victim.priority <= job.priority


def could_reclaim(victim: RunningJob, job: WaitingJob, standing: FairShares, _: Preemption) -> bool:
    """Whether the waiting job's project could take back anything from the other's."""
    same_kind = bool(job.request.gpus) == has_gpus(victim)
    return same_kind and victim.priority <= job.priority and standing.could_reclaim(job, victim.project)


STRATEGIES: dict[str, Right] = {"priority": by_priority, "reclaim": by_reclaim, "pressure": by_pressure}


REACHES: dict[str, Right] = STRATEGIES | {"reclaim": could_reclaim}
"""The same for a whole group, of which the victim is any."""


def lost_seconds(job: RunningJob, now: float, restart_cost: float) -> float:
    """The work that a stop throws away: all since the last checkpoint or the start, and the time to start again."""
    since = [moment for moment in (job.started_at, job.checkpoint_at if job.checkpointable else None) if moment]
    return max(0.0, now - max(since, default=now)) + restart_cost


def may_go(job: RunningJob, knobs: Preemption, now: float) -> bool:
    """Whether the job may be stopped for anybody at all."""
    return (
        job.preemptible
        and not job.leaving
        and not job.protected
        and (job.checkpointable or not knobs.only_checkpointable)
        and job.preemptions < knobs.max_per_job
        and job.started_at is not None
        and now - job.started_at >= knobs.min_runtime_seconds
    )


class Candidates:
    """All that may be stopped for somebody, less those that already are for others in this pass.

    `starting` are the waiting jobs that start anyway: shares are counted with them, and without those that leave.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        now: float,
        starting: Iterable[WaitingJob] = (),
        is_spared: Callable[[RunningJob, WaitingJob], bool] = lambda _, __: False,
    ) -> None:
        self._snapshot = snapshot
        self._is_spared = is_spared  # whether a victim may not be stopped for a job, whatever right there is
        self._now = now
        self._knobs = snapshot.rules.preemption
        self._standing = FairShares(
            replace(snapshot, running=tuple(job for job in snapshot.running if not job.leaving))
        )
        for job in starting:
            self._standing.moved(job, ())
        self._policies = {one.name: POLICIES.get(one.policy, policy(snapshot.rules.policy)) for one in snapshot.queues}
        able = [job for job in snapshot.running if may_go(job, self._knobs, now)]
        self._group = {job.id: Group(job.project, job.priority, has_gpus(job)) for job in able}
        self._lost_there = {
            job.id: self.lost(job) * sum(gpu_equivalents(share.amount) for share in job.shares) for job in able
        }
        self._sorted = self._by_cost(able)
        self._groups = self._of_each_group()

    def __bool__(self) -> bool:
        return bool(self._sorted)

    def _by_cost(self, jobs: Iterable[RunningJob]) -> list[Candidate]:
        jobs = tuple(jobs)
        above = {slug: -self._standing.surplus(slug) for slug in {job.project for job in jobs}}
        return sorted(
            Candidate(job.priority, above[job.project], self._lost_there[job.id], job.id, job) for job in jobs
        )

    def lost(self, job: RunningJob) -> float:
        return lost_seconds(job, self._now, self._knobs.restart_cost_seconds)

    def stopped(self, job: WaitingJob, victims: Iterable[RunningJob]) -> None:
        """These are stopped for the job: they may not be stopped again, and shares are counted as they will be."""
        victims = tuple(victims)
        gone = {one.id for one in victims}
        self._standing.moved(job, victims)
        self._sorted = self._by_cost(one.job for one in self._sorted if one.job_id not in gone)
        self._groups = self._of_each_group()

    def choices(self, job: WaitingJob) -> Iterator[list[Victim]]:
        """Those of whom some are to be chosen."""
        yield list(self.victims(job))

    def allows(self, job: WaitingJob, victims: Sequence[Victim]) -> bool:  # noqa: ARG002 - each has a right against each
        """Whether they may be stopped together."""
        return True

    def reached(self, job: WaitingJob) -> frozenset[Hashable]:
        """The groups that any right could reach for the job; whoever may really be stopped for it is in one of them."""
        named = self._names_victims(job)
        return frozenset(
            group
            for group, one in self._groups.items()
            if group.priority <= job.priority
            and (named or any(REACHES[name](one, job, self._standing, self._knobs) for name in self._knobs.strategies))
        )

    def _of_each_group(self) -> dict[Group, RunningJob]:
        return {self._group[one.job_id]: one.job for one in self._sorted}

    def group(self, victim: Victim) -> Group | None:
        return self._group.get(victim.job.id)

    def of(self, groups: Container[Hashable]) -> list[RunningJob]:
        return [one.job for one in self._sorted if self._group[one.job_id] in groups]

    def victims(self, job: WaitingJob) -> Iterator[Victim]:
        """Those who may be stopped for the job, the cheapest first."""
        named, reached = self._named_by_policy(job), self.reached(job)
        for one in self._sorted:
            if self._group[one.job_id] not in reached or self._is_spared(one.job, job):
                continue
            strategy = self._right(one.job, job) or ("policy" if one.job_id in named else None)
            if strategy:
                yield Victim(one, strategy)

    def _right(self, victim: RunningJob, job: WaitingJob) -> str | None:
        for name in self._knobs.strategies:
            if STRATEGIES[name](victim, job, self._standing, self._knobs):
                return name
        return None

    def _names_victims(self, job: WaitingJob) -> bool:
        ordering: SchedulingPolicy = self._policies[job.queue]
        own = type(ordering).should_preempt is not SchedulingPolicy.should_preempt
        return own and ordering.name not in STRATEGIES

    def _named_by_policy(self, job: WaitingJob) -> set[int]:
        """Plugins may name victims of their own. One that fails names nobody."""
        if not self._names_victims(job):
            return set()
        try:
            ready = prepared(self._policies[job.queue], self._snapshot, self._now)
            return {one.id for one in ready.should_preempt(tuple(one.job for one in self._sorted), job)}
        except Exception:  # noqa: BLE001 - a plugin may raise anything, and the cycle has to go on
            return set()
