"""Finds a place for each job by the strategy that the rules name."""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from scheduling import placement
from scheduling.nodes.free_nodes import NO_CEILING, FreeNode, FreeNodes
from scheduling.nodes.hardware_types import hardware_type
from scheduling.placement.affinity import Affinity
from scheduling.placement.base import NOTHING_CLOSED, Asked, PlacementStrategy, Scope
from scheduling.placement.best_fit import BEST_FIT
from scheduling.placement.own_first import Kept, OwnFirst
from scheduling.plan_result import Decision
from scheduling.resources import Request
from scheduling.sharing.rates import Rates
from scheduling.snapshot import Allocation, Snapshot, WaitingJob


class PlaceFinder:
    """Takes nothing; what was placed in the pass is told to it, so that it knows what has been tried."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self._strategy = placement.strategy(snapshot.rules.placement).prepare(snapshot)
        self._now = now
        self._goes_by_job = self._strategy.goes_by_job
        decides = type(self._strategy).decision is not PlacementStrategy.decision
        self._explains = snapshot.rules.explain and (decides or self._goes_by_job)
        self.takes_note = self._explains or self._goes_by_job  # whether anything comes of telling it who started where
        self._rates = Rates(snapshot.nodes, snapshot.prices) if self._goes_by_job and snapshot.prices else None
        self._tries = _tries(snapshot) if self._goes_by_job else Counter()
        self._last: tuple[int, PlacementStrategy] = (0, self._strategy)

    def strategy_for(self, job: WaitingJob) -> PlacementStrategy:
        """The strategy for this job: near its data first, unless it weighs that itself."""
        if not self._goes_by_job:
            return Affinity(self._strategy) if job.near else self._strategy
        return self._strategy.for_job(Asked(job, self._now, self._rates, self._tries))

    def find(
        self,
        job: WaitingJob,
        free: FreeNodes,
        length: float = 0.0,
        *,
        own: Kept = (),
        ceiling: Mapping[int, FreeNode] = NO_CEILING,
        closed: AbstractSet[str] = NOTHING_CLOSED,
    ) -> tuple[Allocation, ...] | None:
        """Where such a job goes that runs so long at the most: first on what is kept for its `own` projects."""
        strategy = self.strategy_for(job)
        self._last = (job.id, strategy)
        if own:
            strategy = OwnFirst(strategy, own, self._now, self._now + length)
        return strategy.place(job.request, free, near=job.near, ceiling=ceiling, closed=closed)

    def started(self, job: WaitingJob, shares: tuple[Allocation, ...], free: FreeNodes) -> Decision | None:
        """The job starts there, which is still free: why there, as far as the strategy goes by more than the nodes."""
        number, strategy = self._last
        decision = None
        if self._explains and number == job.id:
            decision = strategy.decision(job.request, Scope(free, job.near), shares)
        if self._goes_by_job and job.kind:
            self._tries[job.kind, hardware_type(job.request, free[shares[0].node])] += 1
        return decision


def has_room(
    request: Request,
    free: FreeNodes,
    ceiling: Mapping[int, FreeNode] = NO_CEILING,
    closed: AbstractSet[str] = NOTHING_CLOSED,
) -> bool:
    """Whether there is any place. Every strategy finds one where there is one; this one is the quickest."""
    return BEST_FIT.place(request, free, ceiling=ceiling, closed=closed) is not None


def _tries(snapshot: Snapshot) -> Counter[tuple[str, str]]:
    """How many jobs of each kind run on each type of machine."""
    nodes = (
        {node.name: FreeNode(node, 0) for node in snapshot.nodes} if any(one.kind for one in snapshot.running) else {}
    )
    placed: Sequence[tuple[str, Request, str]] = [
        (one.kind, one.request, one.shares[0].node)
        for one in snapshot.running
        if one.kind and one.request and one.shares
    ]
    return Counter((kind, hardware_type(request, nodes[name])) for kind, request, name in placed if name in nodes)
