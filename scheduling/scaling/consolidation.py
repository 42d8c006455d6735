"""A pool whose nodes are all in use, but not full: which one is to be emptied, as its jobs have room on the others.

It is done where it pays, in GPU-seconds (for nodes without GPUs, in eights of CPU-seconds, as preemption counts):

    gain = how much sooner the pool's nodes are free, added up x the width of one
    cost = the sum over those that move of (work since the last checkpoint + restart + stop) x their width
    gain > margin x cost

Nobody moves while somebody waits for room, onto a node that would be given back, or before it has run for a cooldown;
nor soon after the pool has grown: a node that was bought for somebody is not saved on somebody else's account.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scheduling.plan_result import Plan
from scheduling.planning.rebalancing import Knobs, RebalancePass, Relocation
from scheduling.scaling.decision import Moment, ScalingRules, grew_lately
from scheduling.scaling.demand import expected_end
from scheduling.scaling.pools import LABEL, NodePool, PoolDemand
from scheduling.sharing.usage_decay import gpu_equivalents
from scheduling.snapshot import RunningJob, Snapshot

NOTHING_PLANNED = Plan((), (), ())
FORESEEN_SECONDS = 4 * 3_600.0
"""Further ahead nobody knows who will come: a node is not saved for longer than that."""


class Consolidation(NamedTuple):
    """A node to be emptied, and where its jobs can go; `gain` and `cost` in GPU-seconds."""

    node: str
    moves: tuple[Relocation, ...]
    gain: float
    cost: float


def consolidation(
    snapshot: Snapshot,
    now: float,
    pool: NodePool,
    demand: PoolDemand,
    knobs: Knobs,
    history: Sequence[Moment] = (),
    rules: ScalingRules | None = None,
) -> Consolidation | None:
    """The one that pays most, of the pool's nodes; None if none does. One at a time: the next when this one is empty.

    `history` is that of the pool's scaling, this decision included.
    """
    if not _is_quiet(snapshot, pool, demand) or grew_lately(history, now, rules):
        return None
    held = {share.node for job in snapshot.running for share in job.shares}
    pass_ = RebalancePass(snapshot, NOTHING_PLANNED, now, knobs)
    onto = held | {node.name for node in snapshot.nodes if LABEL not in node.labels}
    ends = _ends(snapshot.running, now, snapshot)
    found = (
        _weighed(node, moves, ends, snapshot, now, pool, knobs)
        for node in sorted(pool.nodes & held)
        if (moves := pass_.emptied(node, onto - {node})) is not None and len(moves) <= knobs.max_moves
    )
    worth = [one for one in found if one.gain > knobs.margin * one.cost]
    return max(worth, key=lambda one: (one.gain - one.cost, one.node), default=None)


def _is_quiet(snapshot: Snapshot, pool: NodePool, demand: PoolDemand) -> bool:
    """Whether nobody waits for room there, nobody is on his way, and there is nothing idle that could go first."""
    members = [node for node in snapshot.nodes if node.labels.get(LABEL) == pool.name]
    return (
        pool.consolidates
        and demand.busy > max(pool.min_nodes, 1)
        and not demand.waiting
        and len(demand.idle) <= pool.spare_nodes
        and len(members) == len(pool.nodes)
        and not any(job.leaving for job in snapshot.running)
    )


def _ends(running: Iterable[RunningJob], now: float, snapshot: Snapshot) -> dict[int, float]:
    """By job, when it is expected to end, as far as one looks ahead."""
    horizon = now + FORESEEN_SECONDS
    return {job.id: min(expected_end(job, now, snapshot.rules), horizon) for job in running}


def _weighed(
    node: str,
    moves: tuple[Relocation, ...],
    ends: Mapping[int, float],
    snapshot: Snapshot,
    now: float,
    pool: NodePool,
    knobs: Knobs,
) -> Consolidation:
    lost = {move.job_id: move.lost_seconds for move in moves}
    target = {move.job_id: move.target.node for move in moves}
    before: dict[str, float] = {}
    after = {node: now + knobs.stop_seconds}
    cost = 0.0
    for job in snapshot.running:
        moved = job.id in target
        for share in job.shares:
            _until(before, share.node, ends[job.id])
            _until(after, target[job.id] if moved else share.node, ends[job.id] + lost.get(job.id, 0.0))
            cost += lost.get(job.id, 0.0) * gpu_equivalents(share.amount)
    sooner = sum(before.get(one, now) - after.get(one, now) for one in pool.nodes)
    return Consolidation(node, moves, sooner * gpu_equivalents(pool.shape.amount), cost)


def _until(busy: dict[str, float], node: str, end: float) -> None:
    busy[node] = max(busy.get(node, end), end)
