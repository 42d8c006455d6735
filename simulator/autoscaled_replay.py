"""A replay on a pool of nodes that grows and shrinks with its demand, by the decisions that the platform makes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from scheduling.nodes.profile import FOREVER
from scheduling.scaling.decision import Moment, ScalingRules, decide
from scheduling.scaling.demand import demand
from scheduling.scaling.pools import NodePool
from scheduling.snapshot import NodeView, Snapshot
from simulator.cleaning import CleanJob
from simulator.cluster import Cluster
from simulator.replay import Replay
from simulator.settings import Settings


class Lifetime(NamedTuple):
    """A node from the moment at which it was asked for until it was given back."""

    node: str
    asked_at: float
    ready_at: float
    removed_at: float


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """How a simulated pool scales; its most are the nodes of the cluster, which must look alike."""

    min_nodes: int = 0
    startup_s: float = 60.0
    every_s: float = 15.0
    spare_nodes: int = 0
    rules: ScalingRules | None = None


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
        self._views = {node.name: node for node in cluster.nodes}
        self._asked: dict[str, float] = {}
        self._history: tuple[Moment, ...] = ()
        self._next_look = self._clock.now
        self.lifetimes: list[Lifetime] = []
        for _ in range(self._scaling.min_nodes):
            self._asked[self._spare.pop()] = self._clock.now - self._scaling.startup_s

    def _plan(self) -> None:
        super()._plan()
        now = self._clock.now
        if now >= self._next_look:
            self._scale()
            self._next_look = now + self._scaling.every_s
        left = len(self._progress) + self._clock.arrivals_left
        self._clock.wake_at(self._next_change() if left else FOREVER)
        if not left:
            self._give_back(list(self._asked))

    def _next_change(self) -> float:
        """When a node is ready, or the pool is looked at again: nothing comes of that while all its nodes hold jobs."""
        now = self._clock.now
        starting = [ready for node in self._asked if (ready := self._ready_at(node)) > now]
        held = {share.node for job in self._running.values() for share in job.shares}
        quiet = not (self._waiting or starting) and len(held) == len(self._asked)
        return min([FOREVER if quiet else self._next_look, *starting])

    def _ready_at(self, node: str) -> float:
        return self._asked[node] + self._scaling.startup_s

    def _ready(self) -> tuple[NodeView, ...]:
        return tuple(self._views[node] for node in self._asked if self._ready_at(node) <= self._clock.now)

    def _snapshot(self) -> Snapshot:
        return replace(super()._snapshot(), nodes=self._ready())

    def _scale(self) -> None:
        ready, now = frozenset(node.name for node in self._ready()), self._clock.now
        shape = next(iter(self._views.values()))
        how = self._scaling
        pool = NodePool(
            "pool", shape, ready, how.min_nodes, len(self._views), how.startup_s, spare_nodes=how.spare_nodes
        )
        (asked,) = demand(self._snapshot(), now, [pool])
        history = self._history
        if history and now - history[-1].at > self._scaling.every_s:  # nothing had changed: it would have said the same
            history = (*history, Moment(now - self._scaling.every_s, history[-1].wanted))
        decision = decide(pool, asked, len(self._asked), history, now, self._scaling.rules)
        self._history = decision.history
        for _ in range(decision.nodes - len(self._asked)):
            self._asked[self._spare.pop()] = now
        surplus = len(self._asked) - decision.nodes
        if surplus > 0:
            self._give_back(asked.idle[-surplus:])

    def _give_back(self, nodes: Sequence[str]) -> None:
        for node in nodes:
            self.lifetimes.append(Lifetime(node, self._asked[node], self._ready_at(node), self._clock.now))
            del self._asked[node]
            self._spare.append(node)
