"""Who gives way: the cheapest running jobs whose end makes room for a waiting one, or nobody.

No two jobs can take turns at stopping each other. A job never gives way to one of lower priority; between equals, only
to a project that has less than its share from one that has more even without it (reclaim), or as a job without GPUs to
one that needs the node's GPUs (pressure).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from scheduling.alike import Alike
from scheduling.capacity import FreeNode, FreeNodes
from scheduling.decisions import PlannedPreemption
from scheduling.entitlement import Standing
from scheduling.filters import could_hold
from scheduling.ordering import prepared
from scheduling.planning import Planning, Waiting
from scheduling.policies import POLICIES, SchedulingPolicy, policy
from scheduling.profile import Need, Room, held_by, need, room_of, whole_of
from scheduling.rules import Preemption
from scheduling.run_times import SOON
from scheduling.snapshot import RunningJob, Share, Snapshot, WaitingJob

LOOKED_AT = 16
"""So many of the first waiting jobs are considered in one pass."""
HELPED = 4
"""So many jobs get room made in one pass; the next pass is seconds away."""


class Candidate(NamedTuple):
    """A running job that may be stopped for some waiting one. Sorts by what stopping it costs."""

    priority: int
    spares: float  # how far its project is above its share, negated: who has most beyond it gives first
    lost: float  # seconds of work to be done again, times the GPUs or CPUs they were done on
    job_id: int
    job: RunningJob


class Victim(NamedTuple):
    """A candidate that is stopped for a certain waiting job, and by which right."""

    cost: Candidate
    strategy: str

    @property
    def job(self) -> RunningJob:
        return self.cost.job


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
    knobs = snapshot.rules.preemption
    may_go = [job for job in snapshot.running if _may_go(job, knobs, work.now)]
    if not may_go or snapshot.recent_preemptions >= knobs.max_per_hour:
        return ()
    pass_ = _Pass(work, snapshot, may_go)
    in_vain: set[tuple[int, int]] = set()
    for job, alike, _ in islice((one for one in waiting if not one[2]), LOOKED_AT):
        key = (id(alike), job.priority)
        if alike.refused or key in in_vain or pass_.is_coming(job):
            continue
        if not pass_.make_room(job, alike):
            in_vain.add(key)
        elif len({one.for_job for one in pass_.planned}) == HELPED:
            break
    return tuple(pass_.planned)


def _may_go(job: RunningJob, knobs: Preemption, now: float) -> bool:
    return (
        job.preemptible
        and not job.leaving
        and (job.checkpointable or not knobs.only_checkpointable)
        and job.preemptions < knobs.max_per_job
        and job.started_at is not None
        and now - job.started_at >= knobs.min_runtime_seconds
    )


def lost_seconds(job: RunningJob, now: float, restart_cost: float) -> float:
    """The work that a stop throws away: all since the last checkpoint or the start, and the time to start again."""
    since = [moment for moment in (job.started_at, job.checkpoint_at if job.checkpointable else None) if moment]
    return max(0.0, now - max(since, default=now)) + restart_cost


class _Pass:
    def __init__(self, work: Planning, snapshot: Snapshot, may_go: Sequence[RunningJob]) -> None:
        self.planned: list[PlannedPreemption] = []
        self._work = work
        self._snapshot = snapshot
        self._knobs = snapshot.rules.preemption
        self._free: FreeNodes = work.free.copy()
        self._standing = Standing(snapshot)
        self._candidates = self._sorted(may_go)
        self._policies = {one.name: POLICIES.get(one.policy, policy(snapshot.rules.policy)) for one in snapshot.queues}

    def _sorted(self, may_go: Iterable[RunningJob]) -> list[Candidate]:
        above = {slug: -self._standing.above_share(slug) for slug in {job.project for job in may_go}}
        cost = self._knobs.restart_cost_seconds
        return sorted(
            Candidate(
                job.priority, above[job.project], lost_seconds(job, self._work.now, cost) * _width(job), job.id, job
            )
            for job in may_go
        )

    def is_coming(self, job: WaitingJob) -> bool:
        """Whether room for the job is being made already."""
        soon = self._work.now + SOON
        return any(one.job_id == job.id and one.start <= soon for one in self._work.book.reservations)

    def make_room(self, job: WaitingJob, alike: Alike) -> bool:
        """Plan the stops that let the job start; False if there are none that would, or too many."""
        closed = self._work.closed(alike.windows, self._work.limit(job)) | self._promised_to_others(job)
        chosen = self._choose(job, closed)
        left = self._knobs.max_per_hour - self._snapshot.recent_preemptions - len(self.planned)
        if not chosen or len(chosen) > left:
            return False
        held = [(share, victim.job.id) for victim in chosen for share in victim.job.shares if share.node in self._free]
        for share, holder in held:
            self._free.give(share, holder=holder)
        shares = self._work.find_in(self._free, job, closed)
        if shares is None:
            for share, holder in held:
                self._free.take(share, holder=holder)
            return False
        self._commit(job, chosen, shares)
        return True

    def _commit(self, job: WaitingJob, chosen: Sequence[Victim], shares: Iterable[Share]) -> None:
        for share in shares:
            self._free.take(share, holder=job.id)
        self._standing.moved(job, [victim.job for victim in chosen])
        gone = {victim.job.id for victim in chosen}
        self._candidates = self._sorted([one.job for one in self._candidates if one.job_id not in gone])
        cost = self._knobs.restart_cost_seconds
        self.planned += [
            PlannedPreemption(one.job.id, job.id, one.strategy, lost_seconds(one.job, self._work.now, cost))
            for one in chosen
        ]

    def _promised_to_others(self, job: WaitingJob) -> frozenset[str]:
        reservations = self._work.book.reservations
        return frozenset(share.node for one in reservations if one.job_id != job.id for share in one.shares)

    def _choose(self, job: WaitingJob, closed: frozenset[str]) -> list[Victim]:
        """The cheapest victims that make room on as many nodes as the job needs; none if that cannot be."""
        by_node: dict[str, list[Victim]] = {}
        for victim in self._victims(job):
            for share in victim.job.shares:
                by_node.setdefault(share.node, []).append(victim)
        offers = [
            offer
            for node in self._nodes(job, by_node)
            if node.view.name not in closed
            and could_hold(job.request, node.view)
            and (offer := _cheapest(job, node, by_node.get(node.view.name, []))) is not None
        ]
        if len(offers) < job.request.nodes:
            return []
        offers.sort(key=_price)
        return list({victim.job.id: victim for offer in offers[: job.request.nodes] for victim in offer}.values())

    def _nodes(self, job: WaitingJob, by_node: Mapping[str, Sequence[Victim]]) -> Iterable[FreeNode]:
        """Where it could go: to a node where somebody would be stopped; as a gang, also where there is room now."""
        if job.request.nodes > 1:
            return self._free.nodes
        return [self._free[name] for name in sorted(by_node) if name in self._free]

    def _victims(self, job: WaitingJob) -> Iterator[Victim]:
        """Those who may be stopped for the job, the cheapest first."""
        named = self._named_by_policy(job)
        for one in self._candidates:
            if one.priority > job.priority:
                return  # no right reaches so high, and those that follow are no lower
            strategy = self._right(one.job, job) or ("policy" if one.job_id in named else None)
            if strategy:
                yield Victim(one, strategy)

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
            ready = prepared(ordering, self._snapshot, self._work.now)
            return {one.id for one in ready.should_preempt(tuple(one.job for one in self._candidates), job)}
        except Exception:  # noqa: BLE001 - a plugin may raise anything, and the cycle has to go on
            return set()


def _width(job: RunningJob) -> float:
    return sum(max(share.amount.gpus, share.amount.cpus / 8) for share in job.shares)


def _cheapest(job: WaitingJob, node: FreeNode, victims: Sequence[Victim]) -> list[Victim] | None:
    """The fewest and cheapest victims without whom the job fits on the node; None if it does not without all of them."""
    wanted, whole = need(job.request, node.view), whole_of(node.view)
    free = room = room_of(node)
    chosen: list[tuple[Victim, Room]] = []
    for victim in victims:
        if wanted.fits(room):
            break
        held = _held_there(victim, node)
        chosen.append((victim, held))
        room = room.plus(held, whole)
    if not wanted.fits(room):
        return None
    return [victim for victim, _ in _needed(wanted, free, whole, chosen)]


def _needed(wanted: Need, free: Room, whole: Room, chosen: list[tuple[Victim, Room]]) -> list[tuple[Victim, Room]]:
    """Without those whose end makes no difference after all, the dearest first."""
    for one in reversed(chosen) if len(chosen) > 1 else ():
        others = [other for other in chosen if other is not one]
        if wanted.fits(_together(free, whole, others)):
            chosen = others
    return chosen


def _together(free: Room, whole: Room, chosen: Iterable[tuple[Victim, Room]]) -> Room:
    for _, held in chosen:
        free = free.plus(held, whole)
    return free


def _held_there(victim: Victim, node: FreeNode) -> Room:
    (held,) = [held_by(share) for share in victim.job.shares if share.node == node.view.name]
    return held


def _price(offer: Sequence[Victim]) -> tuple[int, float, int]:
    """To compare nodes by: the most urgent victim, then the work lost, then how many."""
    return (
        max((one.cost.priority for one in offer), default=-1), sum(one.cost.lost for one in offer), len(offer)
    )  # fmt: skip
