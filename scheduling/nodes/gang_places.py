"""Where gangs go that may run in several places: a gang lies with the agents, or within one cluster, never in two.

The members of a gang are started together as one workload, which no two clusters could do. So before anything is planned
each such gang is given one place, and asks for that alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from scheduling.executors import AGENT
from scheduling.nodes.feasibility import could_hold, is_run_by, takes_jobs
from scheduling.nodes.free_nodes import FreeNodes
from scheduling.resources import Request
from scheduling.snapshot import NodeView, Snapshot, WaitingJob


def with_gangs_in_one_place(snapshot: Snapshot) -> Snapshot:
    """The snapshot in which each waiting gang asks for one place; the same one where there is nothing to choose."""
    choices = places_of((job.request for job in snapshot.waiting), snapshot)
    if not choices:
        return snapshot
    return replace(snapshot, waiting=tuple(_with_place(job, choices) for job in snapshot.waiting))


def places_of(requests: Iterable[Request], snapshot: Snapshot) -> Mapping[Request, str]:
    """The place of each gang among them that may run in several; who waits in the snapshot is not looked at."""
    if not any(node.cluster for node in snapshot.nodes):
        return {}
    gangs = {one for one in requests if one.nodes > 1}
    return {one: _place(one, snapshot) for one in gangs if len(_places(one, snapshot.nodes)) > 1}


def _with_place(job: WaitingJob, choices: Mapping[Request, str]) -> WaitingJob:
    place = choices.get(job.request)
    return job if place is None else replace(job, request=replace(job.request, executor=place))


def _places(request: Request, nodes: Sequence[NodeView]) -> set[str]:
    return {_place_of(node) for node in nodes if is_run_by(request, node)}


def _place(request: Request, snapshot: Snapshot) -> str:
    """Where it has room now, else where it could have, else where it could if all nodes were up."""
    room = Counter(_place_of(node.view) for node in FreeNodes.of(snapshot).nodes if node.fits(request))
    up = Counter(_place_of(node) for node in snapshot.nodes if takes_jobs(node) and could_hold(request, node))
    known = Counter(_place_of(node) for node in snapshot.nodes if could_hold(request, node))
    needed = request.nodes

    def preference(place: str) -> tuple[bool, bool, bool, int, str]:
        return (room[place] < needed, up[place] < needed, known[place] < needed, -known[place], place)

    return min(_places(request, snapshot.nodes), key=preference)


def _place_of(node: NodeView) -> str:
    return node.cluster or AGENT
