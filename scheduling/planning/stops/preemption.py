"""Who gives way: the cheapest running jobs whose end lets a waiting one start, or nobody.

A job is stopped for room on nodes, or for what a quota or a queue allows. What is being freed already counts as free, less
what is kept of it for others: so nobody is stopped for what comes anyway, and nobody for a job that would still wait.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeAlias

from scheduling.nodes.profile import FOREVER
from scheduling.plan_result import PlannedPreemption
from scheduling.planning.cluster import Cluster
from scheduling.planning.cycle_state import PassState
from scheduling.planning.scheduling_class import SchedulingClass, UnschedulableRequests, Waiting
from scheduling.planning.stops.borrowers import NO_MORE, Borrowers, More
from scheduling.planning.stops.victim_choice import VictimChoice, starts
from scheduling.planning.stops.victims import STRATEGIES, Candidates, Victim, lost_seconds
from scheduling.run_times import SOON
from scheduling.sharing.quota_profile import PART, QUEUE
from scheduling.snapshot import RunningJob, Snapshot, WaitingJob

__all__ = ["STRATEGIES", "lost_seconds", "preempt"]

LOOKED_AT = 16
"""For so many waiting jobs victims are looked for in one pass. Who could not start whoever gives way is not among them."""
HELPED = 4
"""So many jobs get room made in one pass; the next pass is seconds away."""
GLANCED_AT = 1_000
"""So many different requests are tried against all the room that there could be."""

Key: TypeAlias = tuple[str, str, int, bool]
"""Queue, project, priority and whether they may borrow: jobs that have these in common have the same rights."""


def preempt(work: PassState, waiting: Sequence[Waiting], snapshot: Snapshot) -> tuple[PlannedPreemption, ...]:
    """Whom to stop so that the first of those that wait for room get it, within the limits on preemption.

    Who waits for nominal quota that others have borrowed gets it back however many have to go for that.
    """
    if not snapshot.rules.preemption.strategies and work.cohorts is None:
        return ()
    return tuple(_searched(work, waiting, snapshot).planned)


def given_back(work: PassState, waiting: Sequence[Waiting], snapshot: Snapshot, more: More) -> Iterator[WaitingJob]:
    """Those for whom nominal quota would be taken back, of these that wait, if `more` were borrowed.

    Also from those who start in this pass: the next one could stop them.
    """
    helped = _searched(work, waiting, snapshot, more).helped
    return (one.job for one in waiting if one.job.id in helped)


def _searched(
    work: PassState, waiting: Sequence[Waiting], snapshot: Snapshot, more: More | None = None
) -> "PreemptionPass":
    """With `more`, what is lent is looked for alone."""
    pass_ = PreemptionPass(work, waiting, snapshot, more)
    for job, alike, held in waiting if pass_.goes_on else ():
        if held or pass_.is_coming(job, alike) or work.allowances.refuse(job, alike):
            continue
        pass_.help(job, alike)
        pass_.passed_by(job)
        if not pass_.goes_on:
            break
    return pass_


class Search:
    """For victims by one kind of right: those whom it reaches, and what was found to be in vain.

    Ends with as many stops as are `left`, jobs that were helped, and jobs that were looked at.
    """

    def __init__(
        self, candidates: Candidates | Borrowers, left: float, most_helped: float, most_looked_at: float, glances: float
    ) -> None:
        self.candidates = candidates
        self.left = left
        self._most_helped = most_helped
        self._most_looked_at = most_looked_at
        self._glances = glances
        self.without: dict[frozenset[Hashable], Cluster] = {}  # the cluster without all the candidates of these groups
        self._in_vain: dict[Key, UnschedulableRequests] = {}
        self._alike_in_vain: set[tuple[int, int]] = set()

    @property
    def goes_on(self) -> bool:
        enough = min(self._most_helped, self._most_looked_at, self._glances) <= 0
        return bool(self.candidates) and self.left > 0 and not enough

    def glance(self) -> None:
        self._glances -= 1

    def looked_at(self) -> None:
        self._most_looked_at -= 1

    def helped(self, stopped: int) -> None:
        self._most_helped -= 1
        self.left -= stopped

    def is_known_to_be_in_vain(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        refused = self._in_vain.get(_key(job))
        return (refused is not None and refused.covers(job.request)) or (id(alike), job.priority) in self._alike_in_vain

    def is_in_vain(self, job: WaitingJob, alike: SchedulingClass) -> None:
        self._alike_in_vain.add((id(alike), job.priority))
        if not alike.windows:  # where nodes are closed for a time, or to this job alone, others may fare better
            self._in_vain.setdefault(_key(job), UnschedulableRequests()).add(job.request)


class PreemptionPass:
    def __init__(
        self, work: PassState, waiting: Sequence[Waiting], snapshot: Snapshot, more: More | None = None
    ) -> None:
        self.planned: list[PlannedPreemption] = []
        self.helped: set[int] = set()
        self._work = work
        self._reserved = {one.job_id for one in work.book.reservations}
        self._still_wait: set[int] = set()
        promised = [one for one in work.book.reservations if one.shares]
        self._start_soon = {one.job_id for one in promised if one.start <= work.now + SOON}
        self._cluster = work.cluster()
        self._searches = tuple(self._new_searches(snapshot, more))
        self._give_up_keeps(waiting)

    def _new_searches(self, snapshot: Snapshot, more: More | None) -> Iterator[Search]:
        """Nominal quota first: what is taken back is nobody else's."""
        work, knobs = self._work, snapshot.rules.preemption
        if work.cohorts is not None:
            begun = () if more is None else zip(work.started, work.placements, strict=True)
            borrowers = Borrowers(work.cohorts, snapshot, work.now, self._cluster, more or NO_MORE, tuple(begun))
            yield Search(borrowers, FOREVER, FOREVER, FOREVER, FOREVER)
        if knobs.strategies and more is None:
            starts = work.kept.keys() | {one.job_id for one in work.placements}
            starting = (job for job in snapshot.waiting if job.id in starts)
            candidates = Candidates(snapshot, work.now, starting, self._keeps_nominal_quota)
            left = knobs.max_per_hour - snapshot.recent_preemptions
            yield Search(candidates, left, HELPED, LOOKED_AT, GLANCED_AT)

    def _keeps_nominal_quota(self, victim: RunningJob, job: WaitingJob) -> bool:
        """Whether the job would borrow what the victim holds by right: that would only be taken back from it."""
        cohorts = self._work.cohorts
        return cohorts is not None and cohorts.protects(
            victim.project, job.project, job.request.total, self._cluster.usage
        )

    @property
    def goes_on(self) -> bool:
        return any(search.goes_on for search in self._searches)

    def help(self, job: WaitingJob, alike: SchedulingClass) -> None:
        """Make room for the job by the first right by which that can be done."""
        for search in self._searches:
            if search.goes_on and self._may_help(search, job, alike):
                if self._make_room(search, job, alike):
                    search.looked_at()
                if job.id in self.helped:
                    return

    def _give_up_keeps(self, waiting: Sequence[Waiting]) -> None:
        """What comes is dealt out again as we go down the line: an earlier job needs fewer stops with it.

        Only what was freed for somebody stays its own.
        """
        for job, alike, _ in waiting if self._work.kept else ():
            if job.id in self._work.kept and not job.promised:
                shares = self._work.kept[job.id]
                self._cluster.withdraw(job.id, shares, alike)

    def is_coming(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether room for the job is being made already."""
        if job.id in self._work.kept:
            return job.promised or self._takes_what_comes(job, alike)
        return job.id in self._start_soon

    def _takes_what_comes(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        shares, free = self._work.kept[job.id], self._cluster.free
        refused = self._cluster.refuses(alike)
        if refused or not all(free[share.node].has(share) for share in shares):
            return False
        for cluster in (self._cluster, *(one for search in self._searches for one in search.without.values())):
            cluster.start(job.id, shares, alike)
        return True

    def _may_help(self, search: Search, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether the job could start if all gave way that the right reaches: at a glance, before anybody is chosen."""
        if search.is_known_to_be_in_vain(job, alike) or self._is_in_the_way(search, job, alike):
            return False
        search.glance()
        reached = search.candidates.reached(job)
        closed = self._closed(search, job, alike)
        if reached and starts(self._work, self._cluster_without(search, reached), job, alike, closed) is not None:
            return True
        search.is_in_vain(job, alike)
        return False

    def passed_by(self, job: WaitingJob) -> None:
        """From now on what is kept for it is its own, if it was not helped."""
        if job.id in self._reserved and job.id not in self.helped:
            self._still_wait.add(job.id)

    def _is_in_the_way(self, search: Search, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether it would take what is kept inside a quota or a queue for those before it that were not helped.

        Who takes back what was lent minds those of its own project alone: other projects have their own.
        """
        if not self._still_wait:
            return False
        limits, length = alike.limits, self._work.reach(job)
        if isinstance(search.candidates, Borrowers):
            limits = tuple(one for one in limits if one.kind in {QUEUE, PART} or one.name == alike.chain[0].slug)
        return self._work.quotas.in_the_way(limits, alike.count, length, self._still_wait) is not None

    def _cluster_without(self, search: Search, groups: frozenset[Hashable]) -> Cluster:
        found = search.without.get(groups)
        if found is None:
            found = search.without[groups] = self._cluster.copy()
            found.leave_all((job, self._work.counted(job)) for job in search.candidates.of(groups))
        return found

    def _make_room(self, search: Search, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Plan the stops that let the job start, if there are such and not too many; False if it needs none."""
        closed = self._closed(search, job, alike)
        choice = VictimChoice(self._work, self._cluster, job, alike, closed)
        found = (choice.victims(able) for able in search.candidates.choices(job))
        victims = next((one for one in found if one is not None and search.candidates.allows(job, one)), None)
        if victims is None or len(victims) > search.left:
            search.is_in_vain(job, alike)
            return True
        self._carry_out(choice, victims)
        for one in self._searches:
            one.candidates.stopped(job, [victim.job for victim in victims])
        search.helped(len(victims))
        self.planned += [
            PlannedPreemption(one.job.id, job.id, one.strategy, search.candidates.lost(one.job)) for one in victims
        ]
        if victims:
            self.helped.add(job.id)
            self._work.allowances.keep(job, self._work.now + SOON)
        return bool(victims)

    def _carry_out(self, choice: VictimChoice, victims: Sequence[Victim]) -> None:
        choice.carry_out(victims, self._cluster)
        for search in self._searches:
            for groups, cluster in search.without.items():
                still_there = [one for one in victims if search.candidates.group(one) not in groups]
                choice.carry_out(still_there, cluster)

    def _closed(self, search: Search, job: WaitingJob, alike: SchedulingClass) -> frozenset[str]:
        """The nodes that the job may not use: kept for a project, or for others that wait and were not helped.

        What is kept for who would have to borrow is no obstacle to who takes back what was lent.
        """
        satisfied = self.helped | self._work.kept.keys() | {job.id}
        if isinstance(search.candidates, Borrowers):
            satisfied |= self._work.would_borrow
        reserved = frozenset(
            share.node for one in self._work.book.reservations if one.job_id not in satisfied for share in one.shares
        )
        return self._work.closed(alike.windows, self._work.limit(job)) | reserved


def _key(job: WaitingJob) -> Key:
    return (job.queue, job.project, job.priority, job.preemptible)
