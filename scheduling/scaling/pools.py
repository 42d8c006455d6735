"""Pools of nodes, as values."""

from dataclasses import dataclass

from scheduling.snapshot import NodeView

LABEL = "pool"
"""The label by which a node says to which pool it belongs."""


@dataclass(frozen=True, slots=True)
class NodePool:
    """Nodes that look like `shape`, from `min_nodes` to `max_nodes` of them; `nodes` are the names of those that are there.

    Between the demand for a node and its first job lie `startup_seconds`. Of pools that could all hold a job the first
    by name gets it, after those whose nodes are smaller.
    """

    name: str
    shape: NodeView
    nodes: frozenset[str] = frozenset()
    min_nodes: int = 0
    max_nodes: int = 50
    startup_seconds: float = 60.0
    consolidates: bool = False  # whether jobs are moved so that it needs fewer nodes
    lifetime_seconds: float | None = None  # for so long each takes jobs, where they go by themselves
    spare_nodes: int = 0  # kept free beyond the demand, so that who comes next need not wait for a node to start


@dataclass(frozen=True, slots=True)
class PoolDemand:
    """How many nodes of a pool jobs hold, and would hold if it had as many as it may have.

    `busy` hold jobs now. `now` would if everybody who finds room started at once; `soon` would at the moment at which a
    node that is asked for now is ready: what ends before then makes room too, and nobody needs a node for it. `waiting`
    are the jobs that wait for room which the pool's shape has, those that find none in all of it included.
    """

    pool: str
    busy: int
    now: int
    soon: int
    waiting: int
    idle: tuple[str, ...] = ()  # nodes of the pool that hold nothing now and would hold nothing soon
