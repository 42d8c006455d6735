"""A replay on a pool of nodes that grows and shrinks with its demand, by the decisions that the platform makes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from scheduling.nodes.profile import FOREVER
from scheduling.planning.rebalancing import Knobs
from scheduling.scaling.consolidation import Consolidation, consolidation
from scheduling.scaling.decision import Moment, ScalingRules, decide
from scheduling.scaling.demand import demand
from scheduling.scaling.pools import LABEL, NodePool, PoolDemand
from scheduling.snapshot import NodeView, Snapshot
from simulator.cleaning import CleanJob
from simulator.cluster import Cluster
from simulator.replay import Replay
from simulator.settings import Settings

POOL = "pool"


class Lifetime(NamedTuple):
    """A node from the moment at which it was asked for until it was given back."""

    node: str
    asked_at: float
    ready_at: float
    removed_at: float


class Emptied(NamedTuple):
    """A node whose jobs were moved, what was decided about it, and when."""

    at: float
    found: Consolidation


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """How a simulated pool scales; its most are the nodes of the cluster, which must look alike."""

    min_nodes: int = 0
    startup_s: float = 60.0
    every_s: float = 15.0
    spare_nodes: int = 0
    rules: ScalingRules | None = None
    moves: Knobs | None = None  # how jobs that save their work are moved together; None: nobody moves


class AutoscaledReplay(Replay):
    """The cluster's nodes are those that the pool may have; of them it has as many as were decided."""

    def __init__(
        self,
        jobs: Sequence[CleanJob],
        cluster: Cluster,
        settings: Settings | None = None,
        autoscaling: Autoscaling | None = None,
    ) -> None:
        super().__init__(jobs, cluster, settings)
        self._scaling = autoscaling or Autoscaling()
        self._spare = [node.name for node in reversed(cluster.nodes)]
        self._views = {node.name: replace(node, labels={**node.labels, LABEL: POOL}) for node in cluster.nodes}
        self._asked: dict[str, float] = {}
        self._history: tuple[Moment, ...] = ()
        self._next_look = self._clock.now
        self._emptying: set[str] = set()
        self._stops_jobs |= self._scaling.moves is not None
        self.lifetimes: list[Lifetime] = []
        self.emptied: list[Emptied] = []
        for _ in range(self._scaling.min_nodes):
            self._asked[self._spare.pop()] = self._clock.now - self._scaling.startup_s

    def _plan(self) -> None:
        super()._plan()
        now = self._clock.now
        if now >= self._next_look:
            self._scale()
            self._next_look = now + self._scaling.every_s
        self._give_back([node for node in self._emptying if node not in self._held()])
        left = len(self._progress) + self._clock.arrivals_left
        self._clock.wake_at(self._next_change() if left else FOREVER)
        if not left:
            self._give_back(list(self._asked))

    def _next_change(self) -> float:
        """When a node is ready, or the pool is looked at again.

        Nothing comes of a look while all its nodes hold jobs, unless those are moved.
        """
        now = self._clock.now
        starting = [ready for node in self._asked if (ready := self._ready_at(node)) > now]
        full = not (self._waiting or starting) and len(self._held()) == len(self._asked)
        quiet = full and (self._scaling.moves is None or not self._running)
        return min([FOREVER if quiet else self._next_look, *starting])

    def _held(self) -> set[str]:
        return {share.node for job in self._running.values() for share in job.shares}

    def _ready_at(self, node: str) -> float:
        return self._asked[node] + self._scaling.startup_s

    def _ready(self) -> tuple[NodeView, ...]:
        names = [node for node in self._asked if self._ready_at(node) <= self._clock.now]
        return tuple(
            replace(self._views[node], state="draining") if node in self._emptying else self._views[node]
            for node in names
        )

    def _snapshot(self) -> Snapshot:
        return replace(super()._snapshot(), nodes=self._ready())

    def _scale(self) -> None:
        now, how = self._clock.now, self._scaling
        pool = self._pool()
        seen = self._snapshot()
        (asked,) = demand(seen, now, [pool])
        history = self._history
        if history and now - history[-1].at > how.every_s:  # nothing had changed: it would have said the same
            history = (*history, Moment(now - how.every_s, history[-1].wanted))
        current = len(self._asked) - len(self._emptying)
        decision = decide(pool, asked, current, history, now, how.rules)
        self._history = decision.history
        for _ in range(min(decision.nodes - current, len(self._spare))):
            self._asked[self._spare.pop()] = now
        surplus = current - decision.nodes
        if surplus > 0:
            self._give_back(asked.idle[-surplus:])
        elif not surplus:
            self._consolidate(seen, pool, asked)

    def _pool(self) -> NodePool:
        """As the platform sees it: a node that is being emptied is none of the pool's."""
        how = self._scaling
        return NodePool(
            POOL,
            next(iter(self._views.values())),
            frozenset(node.name for node in self._ready() if node.name not in self._emptying),
            how.min_nodes,
            len(self._views),
            how.startup_s,
            consolidates=how.moves is not None,
            spare_nodes=how.spare_nodes,
        )

    def _consolidate(self, seen: Snapshot, pool: NodePool, asked: PoolDemand) -> None:
        """The jobs of the node that it pays to empty save their work and start elsewhere; then it goes."""
        moves = self._scaling.moves
        if moves is None:
            return
        found = consolidation(seen, self._clock.now, pool, asked, moves, self._history, self._scaling.rules)
        if found is None:
            return
        self._emptying.add(found.node)
        self.emptied.append(Emptied(self._clock.now, found))
        for move in found.moves:
            self._tell_to_stop(move.job_id)
        if not self._settings.grace_s:
            super()._plan()

    def _give_back(self, nodes: Sequence[str]) -> None:
        for node in nodes:
            self.lifetimes.append(Lifetime(node, self._asked[node], self._ready_at(node), self._clock.now))
            del self._asked[node]
            self._emptying.discard(node)
            self._spare.append(node)
