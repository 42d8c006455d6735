"""Where a running job could go on: on a node that was named or any other, in room that nobody else is promised.

Nobody is displaced for a move. What the job holds now is its own until it has stopped; so the nodes that it is on are
no places for it to go to, and what quotas, queues and budgets say is judged as if it had left.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from scheduling.nodes.feasibility import could_hold, takes_jobs
from scheduling.placement.hardware import what_is_lacking
from scheduling.planning.cycle_state import PassState
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.plan import make_plan
from scheduling.planning.refusals import PutOffReasons, Refusals
from scheduling.planning.stops.victims import lost_seconds
from scheduling.planning.unschedulable import Explanations
from scheduling.reasons import ReasonCode, listed
from scheduling.snapshot import Allocation, NodeView, RunningJob, Snapshot
from scheduling.stages import in_line

OF_NODES = frozenset({ReasonCode.RESOURCES, ReasonCode.HARDWARE, ReasonCode.NO_NODE, ReasonCode.CLUSTER})
"""What stands against a job on nodes is said of those that it could move to, not of all."""


class Obstacle(NamedTuple):
    """One thing that stands against a move."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class MovePlan:
    """From where to where, what is done again, and what stands against it: with an obstacle there are no `shares`."""

    job_id: int
    sources: tuple[str, ...]
    shares: tuple[Allocation, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    lost_seconds: float = 0.0

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(share.node for share in self.shares)


def plan_move(snapshot: Snapshot, now: float, job_id: int, node: str = "") -> MovePlan | None:
    """Where the job would go if it was moved now, to `node` or to any other; None if it holds no place.

    A gang moves as a whole; its rank 0 goes to `node`.
    """
    job = next((one for one in snapshot.running if one.id == job_id), None)
    if job is None:
        return None
    sources = tuple(share.node for share in job.shares)
    lost = lost_seconds(job, now, snapshot.rules.preemption.restart_cost_seconds)
    if keeps_floor(snapshot):
        return MovePlan(job_id, sources, obstacles=(FLOOR,), lost_seconds=lost)
    pass_ = _MovePass(snapshot, now, job)
    obstacles = (*pass_.refusals(), *(pass_.against(node) if node else ()))
    shares = () if obstacles else pass_.places(node)
    if not (shares or obstacles):
        obstacles = (pass_.no_room(),)
    return MovePlan(job_id, sources, shares, obstacles, lost)


FLOOR = Obstacle(
    "floor", "Under a policy that keeps a floor the planner alone says who runs where, and moves jobs itself."
)


class _MovePass:
    """The nodes as the next plan leaves them, and the job as if it waited."""

    def __init__(self, snapshot: Snapshot, now: float, job: RunningJob) -> None:
        plan = make_plan(snapshot, now)
        others = tuple(one for one in snapshot.running if one.id != job.id)
        self._world = replace(snapshot, running=others)
        self._work = PassState(self._world, now)
        self._sources = frozenset(share.node for share in job.shares)
        self._job = in_line(job, 0.0)
        waiting = {one.id: one for one in snapshot.waiting}
        for one in plan.placements:
            waiter = waiting[one.job_id]
            self._work.place(waiter, self._work.class_of(waiter), one.shares)
        self._alike = self._work.class_of(self._job)
        going = {one.job_id for one in plan.preemptions}
        leaving = (one for one in snapshot.running if one.leaving or one.id in going)
        self._promised = frozenset(share.node for one in plan.reservations for share in one.shares)
        self._promised |= frozenset(share.node for one in leaving for share in one.shares)
        self._reserved = self._work.closed(self._alike.windows, self._work.limit(self._job))
        self._views = {one.name: one for one in snapshot.nodes}

    def refusals(self) -> Iterator[Obstacle]:
        """What its queue, its quotas and its budgets would have against its start."""
        told = Refusals(self._work, self._world, Explanations(self._work.free, self._world)).of(self._alike)
        unpaid = PutOffReasons(self._work).of(self._job, self._alike)
        yield from (Obstacle(one.code, one.sentence) for one in (*told, *unpaid) if one.code not in OF_NODES)

    def against(self, name: str) -> tuple[Obstacle, ...]:
        """The first thing that is wrong with that node."""
        view = self._views.get(name)
        if view is None:
            return (Obstacle("unknown", f"There is no node {name}."),)
        found = self._wrong_with(view)
        return () if found is None else (found,)

    def places(self, name: str) -> tuple[Allocation, ...]:
        """A share for each of its nodes, or none if there is no room."""
        closed = self._sources | self._promised | self._reserved
        if not name:
            return self._work.find_in(self._work.free, self._job, closed) or ()
        request = self._job.request
        others = frozenset(node.view.name for node in self._work.free.nodes) - {name}
        first = self._find(1, closed | others)
        rest = self._find(request.nodes - 1, closed | {name}) if first and request.nodes > 1 else ()
        if not first or len(rest) < request.nodes - 1:
            return ()
        return tuple(replace(share, rank=rank) for rank, share in enumerate((*first, *rest)))

    def no_room(self) -> Obstacle:
        """Why there is no place for it: no other node could ever hold it, or none has room that is nobody else's."""
        request = self._job.request
        others = [view for view in self._views.values() if view.name not in self._sources and takes_jobs(view)]
        if sum(could_hold(request, view) for view in others) < request.nodes:
            lacks = what_is_lacking(request, others, "other node") if others else ()
            words = (
                " ".join(lack.sentence for lack in lacks) or f"It needs {request.nodes} other nodes that could hold it."
            )
            return Obstacle("hardware", words)
        whole = "other node has" if request.nodes == 1 else f"{request.nodes} other nodes have"
        return Obstacle("resources", f"No {whole} room for it that is not kept for others.")

    def _find(self, nodes: int, closed: frozenset[str]) -> tuple[Allocation, ...]:
        part = replace(self._job, request=replace(self._job.request, nodes=nodes))
        return self._work.find_in(self._work.free, part, closed) or ()

    def _wrong_with(self, view: NodeView) -> Obstacle | None:
        name, request = view.name, self._job.request
        if name in self._sources:
            return Obstacle("there", f"The job runs on {name} already.")
        if not takes_jobs(view):
            state = view.state if view.state != "up" else "silent"
            return Obstacle("node", f"Node {name} takes no jobs: it is {state}.")
        if not could_hold(request, view):
            lacks = what_is_lacking(replace(request, nodes=1), [view], f"node {name}")
            return Obstacle("hardware", " ".join(lack.sentence for lack in lacks))
        return self._taken(name)

    def _taken(self, name: str) -> Obstacle | None:
        if name in self._work.lifetimes.left_too_soon(self._job):
            return Obstacle("node_leaves", f"Node {name} leaves before the job would have ended, or done enough there.")
        if name in self._reserved:
            return Obstacle(
                "reserved", f"Node {name} is kept for others, or for maintenance, before the job would have ended."
            )
        if name in self._promised:
            return Obstacle("promised", f"Node {name} is kept for jobs that wait, or is being emptied for them.")
        node = self._work.free[name]
        if not node.fits(self._job.request):
            holders = sorted(set(node.holders))
            who = (
                f"{listed(f'job {one}' for one in holders)} {'holds' if len(holders) == 1 else 'hold'} it"
                if holders
                else "it is taken"
            )
            return Obstacle("resources", f"Node {name} has no room for it now: {who}.")
        return None
