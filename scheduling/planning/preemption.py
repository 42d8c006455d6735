"""Who gives way: the cheapest running jobs whose end lets a waiting one start, or nobody.

A job is stopped for room on nodes, or for what a quota or a queue allows. What is being freed already counts as free, less
what is kept of it for others: so nobody is stopped for what comes anyway, and nobody for a job that would still wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from scheduling.nodes.feasibility import could_hold
from scheduling.nodes.free_nodes import FreeNode
from scheduling.plan_result import PlannedPreemption
from scheduling.planning.cluster import Cluster
from scheduling.planning.cycle_state import PassState, Waiting
from scheduling.planning.scheduling_class import SchedulingClass, UnschedulableRequests
from scheduling.planning.shortfalls import Shortfalls
from scheduling.planning.victims import STRATEGIES, Candidates, Group, Victim, lost_seconds
from scheduling.run_times import SOON
from scheduling.snapshot import Allocation, Snapshot, WaitingJob

__all__ = ["STRATEGIES", "lost_seconds", "preempt"]

LOOKED_AT = 16
"""For so many waiting jobs victims are looked for in one pass. Who could not start whoever gives way is not among them."""
HELPED = 4
"""So many jobs get room made in one pass; the next pass is seconds away."""
GLANCED_AT = 1_000
"""So many different requests are tried against all the room that there could be."""

Key: TypeAlias = tuple[str, str, int]
"""Queue, project and priority: jobs that have these in common have the same rights."""


def preempt(work: PassState, waiting: Sequence[Waiting], snapshot: Snapshot) -> tuple[PlannedPreemption, ...]:
    """Whom to stop so that the first of those that wait for room get it, within the limits on preemption."""
    pass_ = PreemptionPass(work, waiting, snapshot)
    if not pass_.candidates or pass_.left <= 0:
        return ()
    looked_at = 0
    for job, alike, held in waiting:
        if held or pass_.is_coming(job, alike) or work.is_unpaid(job, alike):
            continue
        looked_at += pass_.may_help(job, alike) and pass_.make_room(job, alike)
        pass_.passed_by(job)
        if looked_at == LOOKED_AT or len(pass_.helped) == HELPED or pass_.glances >= GLANCED_AT:
            break
    return tuple(pass_.planned)


class PreemptionPass:
    def __init__(self, work: PassState, waiting: Sequence[Waiting], snapshot: Snapshot) -> None:
        self.planned: list[PlannedPreemption] = []
        self.helped: set[int] = set()
        self.glances = 0
        self._work = work
        self._reserved = {one.job_id for one in work.book.reservations}
        self._still_wait: set[int] = set()
        promised = [one for one in work.book.reservations if one.shares]
        self._start_soon = {one.job_id for one in promised if one.start <= work.now + SOON}
        self._allowed = snapshot.rules.preemption.max_per_hour - snapshot.recent_preemptions
        starts = work.kept.keys() | {one.job_id for one in work.placements}
        self.candidates = Candidates(snapshot, work.now, (job for job in snapshot.waiting if job.id in starts))
        self._cluster = work.cluster()
        self._give_up_keeps(waiting)
        self._without: dict[frozenset[Group], Cluster] = {}  # the cluster without all the candidates of these groups
        self._in_vain: dict[Key, UnschedulableRequests] = {}
        self._alike_in_vain: set[tuple[int, int]] = set()

    @property
    def left(self) -> int:
        """How many may still be stopped in this hour."""
        return self._allowed - len(self.planned)

    def _give_up_keeps(self, waiting: Sequence[Waiting]) -> None:
        """What comes is dealt out again as we go down the line: an earlier job needs fewer stops with it.

        Only what was freed for somebody stays its own.
        """
        for job, alike, _ in waiting if self._work.kept else ():
            if job.id in self._work.kept and not job.promised:
                shares = self._work.kept[job.id]
                self._cluster.withdraw(job.id, shares, alike.request, alike.queue, alike.chain)

    def is_coming(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether room for the job is being made already."""
        if job.id in self._work.kept:
            return job.promised or self._takes_what_comes(job, alike)
        return job.id in self._start_soon

    def _takes_what_comes(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        shares, free = self._work.kept[job.id], self._cluster.free
        refused = self._cluster.refusals(alike.request, alike.queue, alike.chain)
        if refused or not all(free[share.node].has(share) for share in shares):
            return False
        for cluster in (self._cluster, *self._without.values()):
            cluster.start(job.id, shares, alike.request, alike.queue, alike.chain)
        return True

    def may_help(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether the job could start if all gave way that any right reaches: at a glance, before anybody is chosen."""
        refused = self._in_vain.setdefault(_key(job), UnschedulableRequests())
        if refused.covers(job.request) or (id(alike), job.priority) in self._alike_in_vain:
            return False
        if self._is_in_the_way(job, alike):
            return False
        self.glances += 1
        reached = self.candidates.reached(job)
        closed = self._closed(job, alike)
        if reached and _starts(self._work, self._cluster_without(reached), job, alike, closed) is not None:
            return True
        self._is_in_vain(job, alike)
        return False

    def passed_by(self, job: WaitingJob) -> None:
        """From now on what is kept for it is its own, if it was not helped."""
        if job.id in self._reserved and job.id not in self.helped:
            self._still_wait.add(job.id)

    def _is_in_the_way(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether it would take what is kept inside a quota or a queue for those before it that were not helped."""
        if not self._still_wait:
            return False
        length = self._work.limit(job)
        return self._work.quotas.in_the_way(alike.limits, alike.count, length, self._still_wait) is not None

    def _is_in_vain(self, job: WaitingJob, alike: SchedulingClass) -> None:
        self._alike_in_vain.add((id(alike), job.priority))
        if not alike.windows:  # where nodes are closed for a time, or to this job alone, others may fare better
            self._in_vain[_key(job)].add(job.request)

    def _cluster_without(self, groups: frozenset[Group]) -> Cluster:
        found = self._without.get(groups)
        if found is None:
            found = self._without[groups] = self._cluster.copy()
            found.leave_all((job, self._work.counted(job.project)) for job in self.candidates.of(groups))
        return found

    def make_room(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Plan the stops that let the job start, if there are such and not too many; False if it needs none."""
        closed = self._closed(job, alike)
        choice = VictimChoice(self._work, self._cluster, job, alike, closed)
        victims = choice.victims(list(self.candidates.victims(job)))
        if victims is None or len(victims) > self.left:
            self._is_in_vain(job, alike)
            return True
        choice.carry_out(victims, self._cluster)
        for groups, cluster in self._without.items():
            choice.carry_out([one for one in victims if self.candidates.group(one) not in groups], cluster)
        self.candidates.stopped(job, [victim.job for victim in victims])
        self.planned += [
            PlannedPreemption(one.job.id, job.id, one.strategy, self.candidates.lost(one.job)) for one in victims
        ]
        if victims:
            self.helped.add(job.id)
            self._work.keep_in_budgets(job, self._work.now + SOON)
        return bool(victims)

    def _closed(self, job: WaitingJob, alike: SchedulingClass) -> frozenset[str]:
        """The nodes that the job may not use: kept for a project, or for others that wait and were not helped."""
        satisfied = self.helped | self._work.kept.keys() | {job.id}
        reserved = frozenset(
            share.node for one in self._work.book.reservations if one.job_id not in satisfied for share in one.shares
        )
        return self._work.closed(alike.windows, self._work.limit(job)) | reserved


def _key(job: WaitingJob) -> Key:
    return (job.queue, job.project, job.priority)


def _starts(
    work: PassState, cluster: Cluster, job: WaitingJob, alike: SchedulingClass, closed: frozenset[str]
) -> tuple[Allocation, ...] | None:
    """Where the job could start in that cluster."""
    if cluster.refusals(alike.request, alike.queue, alike.chain) or cluster.free.is_too_full_for(job.request):
        return None
    return work.find_in(cluster.free, job, closed)


class VictimChoice:
    """Who is to give way to one job. Whoever is tried leaves the cluster, and comes back to it."""

    def __init__(
        self, work: PassState, cluster: Cluster, job: WaitingJob, alike: SchedulingClass, closed: frozenset[str]
    ) -> None:
        self._work = work
        self._cluster = cluster
        self._job = job
        self._alike = alike
        self._closed = closed
        self.shares: tuple[Allocation, ...] = ()

    def victims(self, able: Sequence[Victim]) -> list[Victim] | None:
        """The fewest and cheapest without whom the job starts; none if it does anyway; None if it cannot be helped."""
        chosen = self._for_limits(able)
        if chosen is None:
            return None
        self._leave(chosen)
        if self._place() is None:
            gone = {one.job.id for one in chosen}
            more = self._for_room([one for one in able if one.job.id not in gone])
            self._leave(more)
            chosen += more
        needed = self._needed(chosen) if self._place() is not None else None
        self.shares = self._place() or ()
        self._stay(chosen if needed is None else needed)
        return needed

    def carry_out(self, victims: Iterable[Victim], cluster: Cluster) -> None:
        """They leave, and the job has their room, as it was found for it last."""
        for victim in victims:
            cluster.leave(victim.job, self._work.counted(victim.job.project))
        alike = self._alike
        cluster.start(self._job.id, self.shares, alike.request, alike.queue, alike.chain)

    def _for_limits(self, able: Sequence[Victim]) -> list[Victim] | None:
        """The cheapest that hold what the quotas and the queue lack for the job; None if all of them are not enough."""
        alike, chosen = self._alike, []
        shortfalls = Shortfalls(self._cluster, alike)
        for victim in able if shortfalls else ():
            chain = self._work.counted(victim.job.project)
            if shortfalls.shrink_without(victim.job, chain):
                chosen.append(victim)
                shortfalls.without(victim.job, chain)
            if not shortfalls:
                break
        return None if shortfalls else chosen

    def _for_room(self, able: Sequence[Victim]) -> list[Victim]:
        """The cheapest that make room on as many nodes as the job needs; none if that cannot be."""
        by_node: dict[str, list[Victim]] = {}
        for victim in able:
            for share in victim.job.shares:
                by_node.setdefault(share.node, []).append(victim)
        offers = [
            offer
            for node in self._nodes(by_node)
            if node.view.name not in self._closed
            and could_hold(self._job.request, node.view)
            and (offer := _cheapest(self._job, node, by_node.get(node.view.name, []))) is not None
        ]
        offers.sort(key=_price)
        nodes = self._job.request.nodes
        return list({victim.job.id: victim for offer in offers[:nodes] for victim in offer}.values())

    def _nodes(self, by_node: Mapping[str, Sequence[Victim]]) -> Iterable[FreeNode]:
        """Where it could go: to a node where somebody would be stopped; as a gang, also where there is room now."""
        free = self._cluster.free
        if self._job.request.nodes > 1:
            return free.nodes
        return [free[name] for name in sorted(by_node) if name in free]

    def _needed(self, chosen: Sequence[Victim]) -> list[Victim]:
        """Those without whose end the job does not start; the others are back in the cluster, the dearest first."""
        needed = sorted(chosen)
        for victim in reversed(needed[:]):
            self._stay([victim])
            if self._place() is not None:
                needed.remove(victim)
            else:
                self._leave([victim])
        return needed

    def _place(self) -> tuple[Allocation, ...] | None:
        return _starts(self._work, self._cluster, self._job, self._alike, self._closed)

    def _leave(self, victims: Iterable[Victim]) -> None:
        for victim in victims:
            self._cluster.leave(victim.job, self._work.counted(victim.job.project))

    def _stay(self, victims: Iterable[Victim]) -> None:
        for victim in victims:
            self._cluster.stay(victim.job, self._work.counted(victim.job.project))


def _cheapest(job: WaitingJob, node: FreeNode, victims: Sequence[Victim]) -> list[Victim] | None:
    """The fewest and cheapest victims without whom the job fits on the node; None if it does not without all of them."""
    room = node.copy()
    chosen: list[Victim] = []
    for victim in victims:
        if room.fits(job.request):
            break
        room.release(_share_there(victim, node), victim.job.id)
        chosen.append(victim)
    if not room.fits(job.request):
        return None
    for victim in reversed(chosen) if len(chosen) > 1 else ():
        room.allocate(_share_there(victim, node), victim.job.id)
        if room.fits(job.request):
            chosen = [one for one in chosen if one is not victim]
        else:
            room.release(_share_there(victim, node), victim.job.id)
    return chosen


def _share_there(victim: Victim, node: FreeNode) -> Allocation:
    (share,) = [share for share in victim.job.shares if share.node == node.view.name]
    return share


def _price(offer: Sequence[Victim]) -> tuple[int, float, int]:
    """To compare nodes by: the most urgent victim, then the work lost, then how many."""
    return (
        max((one.cost.priority for one in offer), default=-1), sum(one.cost.lost for one in offer), len(offer)
    )  # fmt: skip
