"""The nodes that a waiting job has to choose from, the best first, and what they are preferred by."""

from dataclasses import dataclass, replace

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.nodes.lifetimes import Lifetimes
from scheduling.placement.base import Scope
from scheduling.plan_result import Decision
from scheduling.planning.places.finding import PlaceFinder
from scheduling.snapshot import Snapshot, WaitingJob


@dataclass(frozen=True, slots=True)
class Ranking:
    """`empty`: too few nodes have room, so they are ranked as if nothing ran."""

    decision: Decision
    empty: bool = False


def ranking(snapshot: Snapshot, now: float, job: WaitingJob, most: int) -> Ranking:
    """The best of the nodes with room for the job as things are: whatever is kept for others there, and whoever goes first.

    Nodes on which it failed a moment ago are left out, and those that go too soon for it.
    """
    strategy, request = PlaceFinder(snapshot, now).strategy_for(job), job.request
    free = FreeNodes.of(snapshot)
    too_soon = Lifetimes(free.nodes, now, snapshot.rules).left_too_soon(job)
    room = Scope(free, job.near, closed=too_soon.union(job.avoid))
    able = sum(1 for _ in room.nodes(request))
    empty = able < request.nodes
    if empty:
        room = room._replace(free=FreeNodes(snapshot.nodes))
        able = sum(1 for _ in room.nodes(request))
    candidates = strategy.candidates(request, room, most)
    told = strategy.decision(request, room, ()) or Decision(strategy.name)
    return Ranking(replace(told, candidates=candidates, able=able), empty)
