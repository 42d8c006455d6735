"""Whom to choose of those who may be stopped for one job: the cheapest whose end lets it start."""

from collections.abc import Iterable, Mapping, Sequence

from scheduling.nodes.feasibility import could_hold
from scheduling.nodes.free_nodes import FreeNode
from scheduling.planning.cluster import Cluster
from scheduling.planning.cycle_state import PassState
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.planning.stops.shortfalls import Shortfalls
from scheduling.planning.stops.victims import Victim
from scheduling.snapshot import Allocation, WaitingJob


def starts(
    work: PassState, cluster: Cluster, job: WaitingJob, alike: SchedulingClass, closed: frozenset[str]
) -> tuple[Allocation, ...] | None:
    """Where the job could start in that cluster."""
    if cluster.refuses(alike) or cluster.free.is_too_full_for(job.request):
        return None
    return work.find_in(cluster.free, job, closed, usage=cluster.usage)


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
            cluster.leave(victim.job, self._work.counted(victim.job))
        alike = self._alike
        cluster.start(self._job.id, self.shares, alike)

    def _for_limits(self, able: Sequence[Victim]) -> list[Victim] | None:
        """The cheapest that hold what the quotas and the queue lack for the job; None if all of them are not enough."""
        alike, chosen = self._alike, []
        shortfalls = Shortfalls(self._cluster, alike)
        for victim in able if shortfalls else ():
            chain = self._work.counted(victim.job)
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
        return starts(self._work, self._cluster, self._job, self._alike, self._closed)

    def _leave(self, victims: Iterable[Victim]) -> None:
        for victim in victims:
            self._cluster.leave(victim.job, self._work.counted(victim.job))

    def _stay(self, victims: Iterable[Victim]) -> None:
        for victim in victims:
            self._cluster.stay(victim.job, self._work.counted(victim.job))


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
