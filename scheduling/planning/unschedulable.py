"""Why a request fits on no node now, in numbers and in a sentence."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from scheduling.executors import ClusterView
from scheduling.nodes.feasibility import GpuKind, could_hold, suitable
from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.placement.frontier import frontier
from scheduling.placement.hardware import gpus_in_words, what_is_lacking
from scheduling.plan_result import PlannedReservation
from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode, listed, number, quantity, spelt_moment
from scheduling.resources import Request, Resources
from scheduling.sharing.quota_profile import Limit
from scheduling.snapshot import NodeView, Snapshot, WaitingJob

NO_CLUSTERS = Snapshot()
NOUNS = {"gpus": "GPUs", "cpus": "CPUs", "memory_mb": "of memory"}


class Explanations:
    """Why requests fit nowhere, as the nodes are now. Each distinct request is explained once."""

    def __init__(self, free: FreeNodes, snapshot: Snapshot = NO_CLUSTERS) -> None:
        by_kind: dict[GpuKind, list[FreeNode]] = {}
        for node in free.nodes:
            by_kind.setdefault(node.kind, []).append(node)
        self._roomiest = [node for kind, nodes in by_kind.items() for node in _worth_comparing(kind, nodes, _room)]
        self._largest = [node for kind, nodes in by_kind.items() for node in _worth_comparing(kind, nodes, _size)]
        self._all = free.nodes
        self._silent = snapshot.silent_clusters
        self._out_of_reach = (
            [node for node in snapshot.nodes if node.cluster and not node.alive] if self._silent else []
        )
        self._told: dict[Request, tuple[Reason, ...]] = {}
        self._behind: dict[tuple[object, ...], Reason] = {}
        self._kept = Reason(ReasonCode.RESERVED)
        self._elsewhere = Reason(ReasonCode.ELSEWHERE)

    def why_nowhere(self, request: Request) -> tuple[Reason, ...]:
        """Asked when `best_fit` finds nothing: no node is up, none is big enough, or those that are are taken."""
        if request not in self._told:
            self._told[request] = self._explain(request)
        return self._told[request]

    def behind(
        self,
        holders: Sequence[PlannedReservation],
        first: WaitingJob,
        why: str,
        *,
        strict: bool,
        limit: Limit | None = None,
    ) -> Reason:
        """For a job that would fit now, but in the room that is kept for others; `first` is the job of the first of them.

        `why` says on what ground that one goes first; `strict`, that nothing at all starts before it; `limit`, that the
        room is in this quota or queue, which would allow the job now.
        """
        key = (limit, why, strict, *(one.job_id for one in holders))
        if key not in self._behind:
            self._behind[key] = _behind(holders, first, why, strict=strict, limit=limit)
        return self._behind[key]

    def elsewhere(self) -> Reason:
        """For a job that would fit now, but only where it failed a moment ago."""
        return self._elsewhere

    def kept_for_others(self) -> Reason:
        """For a job that would fit now, but on nodes that are reserved for a project or for maintenance."""
        return self._kept

    def _explain(self, request: Request) -> tuple[Reason, ...]:
        if self._out_of_reach and (reasons := self._why_not_asked(request)):
            return reasons
        if not self._largest:
            return (Reason(ReasonCode.NO_NODE),)
        if request.nodes > 1:
            return self._why_no_gang(request)
        # The roomiest node and the largest need not be among those that it chooses from.
        roomiest, largest = (self._all, self._all) if request.is_choosy else (self._roomiest, self._largest)
        able = [node for node in roomiest if could_hold(request, node.view)]
        if able:
            return (_taken(request, able),)
        lacks = what_is_lacking(request, [node.view for node in largest], "node that is up")
        return tuple(Reason(ReasonCode.HARDWARE, lack.sentence, lack.shortfall) for lack in lacks)

    def _why_not_asked(self, request: Request) -> tuple[Reason, ...]:
        """Of one that no node which is up could ever hold, and clusters that do not answer now perhaps could."""
        if _most_together(request, [node.view for node in self._all]) >= request.nodes:
            return ()
        able = [node for node in self._out_of_reach if could_hold(request, node)]
        clusters = {one.name: one for one in self._silent}
        there = Counter(node.cluster for node in able if node.cluster in clusters)
        return tuple(
            Reason(ReasonCode.CLUSTER, _out_of_reach(clusters[name]), subject=name)
            for name, number in sorted(there.items())
            if number >= request.nodes
        )

    def _why_no_gang(self, request: Request) -> tuple[Reason, ...]:
        """Counted in nodes: how many could ever hold a member, and how many have room for one now."""
        able = [node for node in self._all if could_hold(request, node.view)]
        if len(able) < request.nodes:
            return (_too_few_nodes(request, len(able)),)
        room = sum(node.fits(request) for node in able)
        sentence = (
            f"Needs {listed(_needs(request).values())} on each of {request.nodes} nodes at once; "
            f"{room} of {len(able)} nodes {'has' if room == 1 else 'have'} room now."
        )
        return (Reason(ReasonCode.RESOURCES, sentence, {"nodes": request.nodes - room}),)


def _most_together(request: Request, nodes: Iterable[NodeView]) -> int:
    """On how many nodes at once it could be, all agents' or all of one cluster."""
    return max(Counter(node.cluster for node in nodes if could_hold(request, node)).values(), default=0)


def _out_of_reach(cluster: ClusterView) -> str:
    """For example: "Cluster ml has not answered since 2026-01-01 10:00 UTC: connection refused."."""
    since = ""
    if cluster.since is not None:
        since = f" since {spelt_moment(cluster.since)}"
    words = f": {cluster.fault.rstrip('.')}" if cluster.fault else ""
    return f"Cluster {cluster.name} has not answered{since}{words}. What runs there runs on."


def _too_few_nodes(request: Request, able: int) -> Reason:
    sentence = (
        f"Needs {listed(_needs(request).values())} on each of {request.nodes} nodes; "
        f"only {able} of those that are up could ever hold that."
    )
    return Reason(ReasonCode.HARDWARE, sentence, {"nodes": request.nodes - able})


def _behind(
    holders: Sequence[PlannedReservation], first: WaitingJob, why: str, *, strict: bool, limit: Limit | None = None
) -> Reason:
    """For example: "There is room, but it is kept for job 7 (queue live, priority 90: it came first), which is ..."."""
    moment = spelt_moment(holders[0].start)
    more = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
    named = f"job {first.id} (queue {first.queue}, priority {first.priority}{f': {why}' if why else ''}){more}"
    room = "There is room" if limit is None else f"{limit.in_words} has room"
    if strict:
        sentence = f"{room}, but without backfilling nothing starts before {named}, which is to start by {moment}."
    else:
        sentence = f"{room}, but it is kept for {named}, which is to start by {moment}; a job that ends before then may go first."
    return Reason(ReasonCode.AHEAD, sentence, held_by=tuple(one.job_id for one in holders[:HOLDERS_SHOWN]))


def _worth_comparing(
    kind: GpuKind, nodes: list[FreeNode], sizes: Callable[[FreeNode], tuple[int, ...]]
) -> list[FreeNode]:
    """Nodes with GPUs of several kinds are all worth it: a number of GPUs does not say of which kind they are."""
    return nodes if len(kind) > 1 else frontier(nodes, sizes)


def _size(node: FreeNode) -> tuple[int, ...]:
    return (len(node.view.gpus), node.view.cpus, node.view.memory_mb)


def _room(node: FreeNode) -> tuple[int, ...]:
    return (len(node.gpus), node.cpus, node.memory_mb, *_size(node))


def _taken(request: Request, able: Iterable[FreeNode]) -> Reason:
    """Told of the node that comes closest: the fewest GPUs missing, then CPUs, then memory."""
    best = min(able, key=lambda node: _missing(request, node))
    free = _usable(request, best)
    shortfall = request.amount.shortfall_in(free)
    sentence = _sentence(request, best, free, list(shortfall))
    return Reason(ReasonCode.RESOURCES, sentence, shortfall, tuple(best.holders[:HOLDERS_SHOWN]))


def _usable(request: Request, node: FreeNode) -> Resources:
    """What is free there, counting only the GPUs that suit."""
    return Resources(node.cpus, node.memory_mb, len(suitable(request, node.gpus)))


def _missing(request: Request, node: FreeNode) -> tuple[int, int, int]:
    gpus = request.gpus - len(suitable(request, node.gpus)) if request.gpus else 0
    return (max(0, gpus), max(0, request.cpus - node.cpus), max(0, request.memory_mb - node.memory_mb))


def _sentence(request: Request, best: FreeNode, free: Resources, short: list[str]) -> str:
    """For example: "Needs 2 GPUs; node gpu-1 has the most free: 1 of 8." Longer only where it has to be."""
    total = Resources(best.view.cpus, best.view.memory_mb, len(suitable(request, best.view.gpus)))
    left = {name: f"{number(name, getattr(free, name))} of {number(name, getattr(total, name))}" for name in short}
    needs = _needs(request)
    if short == ["gpus" if request.gpus else "cpus"]:
        return f"Needs {needs[short[0]]}; node {best.view.name} has the most free: {left[short[0]]}."
    has = listed(f"{of} {NOUNS[name]}" for name, of in left.items())
    return f"Needs {listed(needs.values())} on one node; node {best.view.name} comes closest, with {has} free."


def _needs(request: Request) -> dict[str, str]:
    """All that is asked for, in words, by name."""
    needs = {"gpus": gpus_in_words(request)} if request.gpus else {}
    needs["cpus"] = quantity("cpus", request.cpus)
    if request.memory_mb:
        needs["memory_mb"] = quantity("memory_mb", request.memory_mb)
    return needs
