"""Who gives way: the cheapest running jobs whose end makes room for a waiting one, or nobody.

No two jobs can take turns at stopping each other. A job never gives way to one of lower priority; between equals, only
to a project that has less than its share from one that has more even without it (reclaim), or as a job without GPUs to
one that needs the node's GPUs (pressure).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from scheduling.capacity import FreeNode, FreeNodes
from scheduling.decisions import PlannedPreemption
from scheduling.entitlement import Standing
from scheduling.filters import could_hold
from scheduling.planning import Alike, Planning, Waiting
from scheduling.policies import POLICIES, SchedulingPolicy, policy
from scheduling.profile import need, room_of
from scheduling.reservations import SOON
from scheduling.rules import Preemption
from scheduling.snapshot import RunningJob, Share, Snapshot, WaitingJob

LOOKED_AT = 16
"""So many of the first waiting jobs are considered in one pass."""


class Victim(NamedTuple):
    """A running job that may be stopped for a certain waiting one. Sorts by what stopping it costs."""

    priority: int
    spares: float  # how far its project is above its share, negated: who has most beyond it gives first
    lost: float  # seconds of work to be done again, times the GPUs or CPUs they were done on
    job_id: int
    strategy: str
    job: RunningJob


Right = Callable[[RunningJob, WaitingJob, Standing, Preemption], bool]


def by_priority(victim: RunningJob, job: WaitingJob, _: Standing, knobs: Preemption) -> bool:
    """The waiting job is more urgent by at least the gap."""
    return job.priority - victim.priority >= max(1, knobs.priority_gap)


def by_reclaim(victim: RunningJob, job: WaitingJob, standing: Standing, _: Preemption) -> bool:
    """The waiting job's project takes back what the other has borrowed from its share."""
    same_kind = bool(job.request.gpus) == any(share.amount.gpus for share in victim.shares)
    return same_kind and victim.priority <= job.priority and standing.may_reclaim(job, victim)


def by_pressure(victim: RunningJob, job: WaitingJob, _: Standing, __: Preemption) -> bool:
    """A job without GPUs holds the CPUs or the memory without which a node's GPUs lie idle."""
    no_gpus = not any(share.amount.gpus for share in victim.shares)
    return job.request.gpus > 0 and no_gpus and victim.priority <= job.priority


STRATEGIES: dict[str, Right] = {"priority": by_priority, "reclaim": by_reclaim, "pressure": by_pressure}


def preempt(work: Planning, waiting: Sequence[Waiting], snapshot: Snapshot) -> tuple[PlannedPreemption, ...]:
    """Whom to stop so that the first of those that wait for room get it, within the limits on preemption."""
    pass_ = _Pass(work, snapshot)
    for job, alike, held in waiting[:LOOKED_AT]:
        if not (held or alike.refused or pass_.is_coming(job)):
            pass_.make_room(job, alike)
    return tuple(pass_.planned)


def lost_seconds(job: RunningJob, now: float, restart_cost: float) -> float:
    """The work that a stop throws away: all since the last checkpoint or the start, and the time to start again."""
    since = [moment for moment in (job.started_at, job.checkpoint_at if job.checkpointable else None) if moment]
    return max(0.0, now - max(since, default=now)) + restart_cost


class _Pass:
    def __init__(self, work: Planning, snapshot: Snapshot) -> None:
        self.planned: list[PlannedPreemption] = []
        self._work = work
        self._snapshot = snapshot
        self._knobs = snapshot.rules.preemption
        self._free: FreeNodes = work.free.copy()
        self._standing = Standing(snapshot)
        self._may_go = [job for job in snapshot.running if self._is_fair_game(job)]
        self._policies = {
            one.name: POLICIES.get(one.policy, policy(snapshot.rules.policy)).prepare(snapshot, work.now)
            for one in snapshot.queues
        }

    def _is_fair_game(self, job: RunningJob) -> bool:
        knobs = self._knobs
        return (
            job.preemptible
            and not job.leaving
            and (job.checkpointable or not knobs.only_checkpointable)
            and job.preemptions < knobs.max_per_job
            and job.started_at is not None
            and self._work.now - job.started_at >= knobs.min_runtime_seconds
        )

    def is_coming(self, job: WaitingJob) -> bool:
        """Whether room for the job is being made already."""
        soon = self._work.now + SOON
        return any(one.job_id == job.id and one.start <= soon for one in self._work.book.reservations)

    def make_room(self, job: WaitingJob, alike: Alike) -> None:
        closed = self._work.closed(alike.windows, self._work.limit(job)) | self._promised_to_others(job)
        chosen = self._choose(job, closed)
        left = self._knobs.max_per_hour - self._snapshot.recent_preemptions - len(self.planned)
        if not chosen or len(chosen) > left:
            return
        trial = self._free.copy()
        for victim in chosen:
            for share in victim.job.shares:
                trial.give(share, holder=victim.job_id)
        shares = self._work.find_in(trial, job, closed)
        if shares is not None:
            self._commit(job, chosen, trial, shares)

    def _commit(self, job: WaitingJob, chosen: Sequence[Victim], trial: FreeNodes, shares: Iterable[Share]) -> None:
        for share in shares:
            trial.take(share, holder=job.id)
        self._free = trial
        gone = {victim.job_id for victim in chosen}
        self._may_go = [one for one in self._may_go if one.id not in gone]
        self._standing.moved(job, [victim.job for victim in chosen])
        cost = self._knobs.restart_cost_seconds
        self.planned += [
            PlannedPreemption(one.job_id, job.id, one.strategy, lost_seconds(one.job, self._work.now, cost))
            for one in chosen
        ]

    def _promised_to_others(self, job: WaitingJob) -> frozenset[str]:
        reservations = self._work.book.reservations
        return frozenset(share.node for one in reservations if one.job_id != job.id for share in one.shares)

    def _choose(self, job: WaitingJob, closed: frozenset[str]) -> list[Victim]:
        """The cheapest victims that make room on as many nodes as the job needs; none if that cannot be."""
        by_node: dict[str, list[Victim]] = {}
        for victim in sorted(self._victims(job)):
            for node in {share.node for share in victim.job.shares}:
                by_node.setdefault(node, []).append(victim)
        offers = [
            offer
            for node in self._free.nodes
            if node.view.name not in closed
            and could_hold(job.request, node.view)
            and (offer := _cheapest(job, node, by_node.get(node.view.name, []))) is not None
        ]
        if len(offers) < job.request.nodes:
            return []
        offers.sort(key=_price)
        return list({victim.job_id: victim for offer in offers[: job.request.nodes] for victim in offer}.values())

    def _victims(self, job: WaitingJob) -> Iterable[Victim]:
        named = self._named_by_policy(job)
        for one in self._may_go:
            strategy = self._right(one, job) or ("policy" if one.id in named and one.priority <= job.priority else None)
            if strategy:
                width = sum(max(share.amount.gpus, share.amount.cpus / 8) for share in one.shares)
                lost = lost_seconds(one, self._work.now, self._knobs.restart_cost_seconds) * width
                yield Victim(one.priority, -self._standing.above_share(one.project), lost, one.id, strategy, one)

    def _right(self, victim: RunningJob, job: WaitingJob) -> str | None:
        for name in self._knobs.strategies:
            if STRATEGIES[name](victim, job, self._standing, self._knobs):
                return name
        return None

    def _named_by_policy(self, job: WaitingJob) -> set[int]:
        """Plugins may name victims of their own. One that fails names nobody."""
        ordering: SchedulingPolicy = self._policies[job.queue]
        if type(ordering).should_preempt is SchedulingPolicy.should_preempt or ordering.name in STRATEGIES:
            return set()
        try:
            return {one.id for one in ordering.should_preempt(tuple(self._may_go), job)}
        except Exception:  # noqa: BLE001 - a plugin may raise anything, and the cycle has to go on
            return set()


def _cheapest(job: WaitingJob, node: FreeNode, victims: Sequence[Victim]) -> list[Victim] | None:
    """The fewest and cheapest victims without whom the job fits on the node; None if it does not without all of them."""
    chosen: list[Victim] = []
    while not _fits_without(job, node, chosen):
        if len(chosen) == len(victims):
            return None
        chosen.append(victims[len(chosen)])
    for victim in sorted(chosen, reverse=True):
        others = [one for one in chosen if one is not victim]
        if _fits_without(job, node, others):
            chosen = others
    return chosen


def _fits_without(job: WaitingJob, node: FreeNode, victims: Sequence[Victim]) -> bool:
    room = room_of(node)
    for victim in victims:
        for share in victim.job.shares:
            if share.node == node.view.name:
                room = room.plus(share, node.view)
    return need(job.request, node.view).fits(room)


def _price(offer: Sequence[Victim]) -> tuple[int, float, int]:
    """To compare nodes by: the most urgent victim, then the work lost, then how many."""
    return (max((one.priority for one in offer), default=-1), sum(one.lost for one in offer), len(offer))
