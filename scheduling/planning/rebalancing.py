"""Fragmentation: a job waits although there is room for it, but not together. Who could move, and where, to change that.

A proposal moves running jobs that write checkpoints to other nodes where they fit now, so that a waiting job fits where
they were. Nobody else is displaced: what a move needs is free, and no node is touched that is kept for others. It is
made only where it pays, in GPU-seconds (for jobs without GPUs, in eights of CPU-seconds, as preemption counts):

    gain = (when the job could start without it - how long a stop takes) x width of the job
    cost = the sum over those that move of (work since the last checkpoint + restart) x their width
    gain > margin x cost

No two passes undo each other: a job that has just begun to run, here or elsewhere, stays where it is for a cooldown,
and only for a job that is at least as urgent does it move at all.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from scheduling.nodes.feasibility import could_hold
from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.plan_result import Plan, PlannedPreemption
from scheduling.planning.cycle_state import PassState
from scheduling.planning.eligibility import job_holds
from scheduling.planning.reservations import ReservationTable
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.planning.stops.preemption import lost_seconds
from scheduling.sharing.usage_decay import gpu_equivalents
from scheduling.snapshot import Allocation, RunningJob, Snapshot, WaitingJob
from scheduling.stages import in_line

STRATEGY = "rebalance"
NOBODY = 0
"""No job: where room is made for none."""
TRIED = 32
"""So many nodes more than a job needs are tried, the cheapest to empty first."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """When jobs are moved, and how many."""

    looked_at: int = 4  # of the first waiting jobs
    margin: float = 2.0  # how many times its cost a proposal must gain
    cooldown_seconds: float = 3_600.0  # a job that has run for less stays where it is
    stop_seconds: float = 60.0  # how long a stop takes until the room is free
    max_moves: int = 3  # for one waiting job
    max_moves_per_hour: int = 6


@dataclass(frozen=True, slots=True)
class Relocation:
    """A running job that moves from the node `source` to `target`, and what that costs in seconds of its work."""

    job_id: int
    source: str
    target: Allocation
    lost_seconds: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """Moves that let a waiting job start at once on `shares`; `gain` and `cost` in GPU-seconds."""

    for_job: int
    shares: tuple[Allocation, ...]
    moves: tuple[Relocation, ...]
    gain: float
    cost: float

    @property
    def preemptions(self) -> tuple[PlannedPreemption, ...]:
        """The moves as what they begin with: their jobs are stopped for the waiting one."""
        return tuple(PlannedPreemption(one.job_id, self.for_job, STRATEGY, one.lost_seconds) for one in self.moves)


def propose(
    snapshot: Snapshot, plan: Plan, now: float, knobs: Knobs = Knobs(), *, moved_lately: int = 0
) -> tuple[Proposal, ...]:
    """Moves that pay, for the first waiting jobs that need them, beside what the plan for the same snapshot does.

    `moved_lately` is how many jobs were moved in the last hour.
    """
    pass_ = RebalancePass(snapshot, plan, now, knobs)
    left = min(
        knobs.max_moves_per_hour - moved_lately,
        snapshot.rules.preemption.max_per_hour - snapshot.recent_preemptions - len(plan.preemptions),
    )
    jobs = {job.id: job for job in snapshot.waiting}
    proposals: list[Proposal] = []
    for job_id in plan.line[: knobs.looked_at]:
        if left <= 0:
            break
        proposal = pass_.proposal(jobs[job_id])
        if proposal is not None and len(proposal.moves) <= left:
            pass_.carry_out(proposal)
            proposals.append(proposal)
            left -= len(proposal.moves)
    return tuple(proposals)


@dataclass(frozen=True, slots=True)
class _Mover:
    """A running job on one node that may move, as if it waited. Sorts by what its move costs."""

    cost: float
    lost: float
    job: RunningJob
    again: WaitingJob

    @property
    def share(self) -> Allocation:
        return self.job.shares[0]


class RebalancePass:
    def __init__(self, snapshot: Snapshot, plan: Plan, now: float, knobs: Knobs) -> None:
        self._now = now
        self._knobs = knobs
        self._preemption = snapshot.rules.preemption
        self._plan = plan
        self._work = PassState(snapshot, now)
        self._free: FreeNodes = self._work.free
        self._going = {one.job_id for one in plan.preemptions} | {job.id for job in snapshot.running if job.leaving}
        self._served = {one.for_job for one in plan.preemptions} | {job.id for job in snapshot.waiting if job.promised}
        self._kept = frozenset(share.node for job in snapshot.running if job.id in self._going for share in job.shares)
        self._movers: dict[str, list[_Mover]] = {}  # by node
        for job in snapshot.running:
            if self._may_move(job):
                self._movers.setdefault(job.shares[0].node, []).append(self._mover(job))
        self._book = ReservationTable(
            self._free.copy(), _by_prediction(snapshot.running), now, snapshot.rules.assumed_limit_seconds
        )
        waiting = {job.id: job for job in snapshot.waiting}
        for one in plan.placements:
            self._take(one.job_id, one.shares)
            self._book.started(one.shares, now + self._work.limit(waiting[one.job_id]))
            self._work.allowances.keep(waiting[one.job_id], now)

    def proposal(self, job: WaitingJob) -> Proposal | None:
        """The cheapest moves that were found for the job, if they pay."""
        alike = self._work.class_of(job)
        if job.id in self._served or job_holds(job, self._now) or self._work.is_refused(alike):
            return None
        if self._work.allowances.refuse(job, alike) or (alike.choice is not None and job.request.nodes > 1):
            return None
        length = self._work.limit(job)
        closed = self._closed(job, job.id)
        if self._work.find_in(self._free, job, closed) is not None:
            return None  # it waits for something else than room
        found = self._rearranged(job, closed)
        gain = (self._wait(job, alike, length) - self._knobs.stop_seconds) * gpu_equivalents(job.request.total)
        if found is None or gain <= self._knobs.margin * found.cost:
            return None
        return replace(found, gain=gain)

    def emptied(self, node: str, onto: Collection[str]) -> tuple[Relocation, ...] | None:
        """Where all that runs on the node could go now, of the nodes `onto`; None if somebody has to stay."""
        movers = self._movers.get(node, [])
        if not movers or {one.job.id for one in movers} != set(self._free[node].holders):
            return None
        others = frozenset(one.view.name for one in self._free.nodes)
        return self._targets(movers, NOBODY, others.difference(onto))

    def carry_out(self, proposal: Proposal) -> None:
        """From now on in this pass the room is used as the proposal says."""
        for move in proposal.moves:
            here = self._movers[move.source]
            mover = next(one for one in here if one.job.id == move.job_id)
            self._free.release(mover.share, holder=mover.job.id)
            here.remove(mover)
        self._take(proposal.for_job, proposal.shares)
        for one in proposal.moves:
            self._take(one.job_id, (one.target,))
        self._kept |= {one.source for one in proposal.moves} | {one.target.node for one in proposal.moves}

    def _take(self, holder: int, shares: Iterable[Allocation]) -> None:
        for share in shares:
            self._free.allocate(share, holder=holder)

    def _may_move(self, job: RunningJob) -> bool:
        return (
            job.checkpointable
            and job.preemptible
            and job.id not in self._going
            and job.request is not None
            and len(job.shares) == 1
            and job.shares[0].node in self._free
            and job.preemptions < self._preemption.max_per_job
            and job.started_at is not None
            and self._now - job.started_at >= self._knobs.cooldown_seconds
            and self._could_start_again(job)
        )

    def _could_start_again(self, job: RunningJob) -> bool:
        """Whether its queue, the quotas and the budgets would let one more such job start: then they let this one."""
        again = in_line(job, 0.0)
        alike = self._work.class_of(again)
        return not (self._work.is_refused(alike) or self._work.allowances.refuse(again, alike))

    def _mover(self, job: RunningJob) -> _Mover:
        lost = lost_seconds(job, self._now, self._preemption.restart_cost_seconds) + self._knobs.stop_seconds
        return _Mover(lost * gpu_equivalents(job.shares[0].amount), lost, job, in_line(job, 0.0))

    def _closed(self, job: WaitingJob, for_job: int) -> frozenset[str]:
        """The nodes that the job may not use: being emptied, kept for a project, or promised to others than `for_job`."""
        promised = {share.node for one in self._plan.reservations if one.job_id != for_job for share in one.shares}
        alike = self._work.class_of(job)
        windows = self._work.closed(alike.windows, self._work.limit(job))
        full = alike.choice.shut(self._work.usage) if alike.choice is not None else frozenset()
        return self._kept | promised | windows | full

    def _wait(self, job: WaitingJob, alike: SchedulingClass, length: float) -> float:
        """How long the job would wait if nobody moved, as far as anybody can say."""
        slot = self._book.find(job.request, length, alike.windows, self._book.now)
        return slot.start - self._now if slot is not None else self._work.rules.assumed_limit_seconds

    def _rearranged(self, job: WaitingJob, closed: frozenset[str]) -> Proposal | None:
        """Nodes for the job, those first where it fits, then those that are emptied for it at the least cost."""
        able = [n for n in self._free.nodes if n.view.name not in closed and could_hold(job.request, n.view)]
        ready = [node for node in able if node.fits(job.request)][: job.request.nodes]
        offers = [
            (_cost(chosen), node.number, chosen)
            for node in able
            if (chosen := self._in_the_way(job, node)) and len(chosen) <= self._knobs.max_moves
        ]
        nodes: list[FreeNode] = ready
        moves: list[_Mover] = []
        for _, number, chosen in sorted(offers, key=lambda offer: offer[:2])[: job.request.nodes + TRIED]:
            if len(nodes) == job.request.nodes:
                break
            more = [*moves, *chosen]
            if len(more) <= self._knobs.max_moves and self._places(job, [*nodes, self._free.nodes[number]], more):
                nodes, moves = [*nodes, self._free.nodes[number]], more
        if len(nodes) < job.request.nodes:
            return None
        targets = self._places(job, nodes, moves) or ()
        return Proposal(job.id, self._shares(job, nodes, moves), targets, 0.0, _cost(moves))

    def _in_the_way(self, job: WaitingJob, node: FreeNode) -> list[_Mover]:
        """The fewest and cheapest movers without whom the job fits on the node; none if it does not without them all."""
        room = node.copy()
        chosen: list[_Mover] = []
        here = [one for one in self._movers.get(node.view.name, ()) if one.job.priority <= job.priority]
        for mover in sorted(here, key=lambda one: (one.cost, one.job.id)):
            if room.fits(job.request):
                break
            room.release(mover.share, mover.job.id)
            chosen.append(mover)
        if not room.fits(job.request):
            return []
        for mover in reversed(chosen):
            room.allocate(mover.share, mover.job.id)
            if room.fits(job.request):
                chosen = [one for one in chosen if one is not mover]
            else:
                room.release(mover.share, mover.job.id)
        return chosen

    def _places(
        self, job: WaitingJob, nodes: Sequence[FreeNode], moves: Sequence[_Mover]
    ) -> tuple[Relocation, ...] | None:
        """Where they can go now without using what the waiting job gets; None if one of them can go nowhere."""
        return self._targets(moves, job.id, frozenset(node.view.name for node in nodes))

    def _targets(self, moves: Sequence[_Mover], for_job: int, shut: frozenset[str]) -> tuple[Relocation, ...] | None:
        """Where they can go now, on none of the nodes `shut`; None if one of them can go nowhere. The widest first."""
        room = self._free.copy()
        found = []
        for mover in sorted(moves, key=lambda one: (-gpu_equivalents(one.share.amount), one.job.id)):
            shares = self._work.find_in(room, mover.again, self._closed(mover.again, for_job) | shut)
            if shares is None:
                return None
            room.allocate(shares[0], holder=mover.job.id)
            found.append(Relocation(mover.job.id, mover.share.node, shares[0], mover.lost))
        return tuple(found)

    def _shares(self, job: WaitingJob, nodes: Sequence[FreeNode], moves: Sequence[_Mover]) -> tuple[Allocation, ...]:
        """The job's share of each of these nodes once the others have moved."""
        shares = []
        for rank, node in enumerate(nodes):
            room = node.copy()
            for mover in moves:
                if mover.share.node == node.view.name:
                    room.release(mover.share, mover.job.id)
            indices = room.gpus_for(job.request) if job.request.gpus else ()
            shares.append(Allocation(node.view.name, job.request.amount, indices or (), rank))
        return tuple(shares)


def _by_prediction(running: Iterable[RunningJob]) -> tuple[RunningJob, ...]:
    """With the ends that are expected in place of those that are certain."""
    return tuple(replace(job, expected_end=job.predicted_end) if job.predicted_end else job for job in running)


def _cost(moves: Iterable[_Mover]) -> float:
    return sum(one.cost for one in moves)
