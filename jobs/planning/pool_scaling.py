"""How many nodes each pool is to have, decided beside the cycles: the demand from the plan, the pace from the pool's past."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from jobs.planning import policy_settings
from jobs.planning.rebalancing import rebalance_settings
from jobs.planning.snapshot import take_snapshot
from scheduling.environments import OF_EVERY_AGENT
from scheduling.scaling.consolidation import Consolidation, consolidation
from scheduling.scaling.decision import DOWN, UP, Load, Moment, Pace, ScalingDecision, ScalingRules, decide
from scheduling.scaling.demand import demand
from scheduling.scaling.pools import NodePool as PoolView
from scheduling.scaling.pools import PoolDemand
from scheduling.snapshot import Gpu, NodeView, Snapshot
from workers.models import Node, NodePool

SCALING_LOCK = 0x7472_6170  # "trap": one decides at a time, in whatever process
TURN = "SELECT pg_try_advisory_xact_lock(%s)"


@transaction.atomic
def scale_pools() -> int:
    """Decide for each pool; returns how many there are. Whoever comes while another one decides leaves it to him."""
    pools = list(NodePool.objects.order_by("name"))
    if not pools or not _has_the_turn():
        return 0
    snapshot = take_snapshot()
    views = [_view(pool, snapshot) for pool in pools]
    loads = _loads()
    consolidating = any(view.consolidates for view in views)
    knobs = rebalance_settings(policy_settings.in_force()) if consolidating else None
    for pool, view, asked in zip(pools, views, demand(snapshot, snapshot.taken_at, views), strict=True):
        load, rules, now = loads.get(pool.name, Load()), _rules(pool), snapshot.taken_at
        decision = decide(view, asked, _current(pool, view, asked), _history(pool), now, rules, load)
        _note(pool, asked, decision, now)
        found = consolidation(snapshot, now, view, asked, knobs, decision.history, rules) if knobs else None
        _note_consolidation(pool, found)
    return len(pools)


def _has_the_turn() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(TURN, [SCALING_LOCK])
        return bool(cursor.fetchone()[0])


def _view(pool: NodePool, snapshot: Snapshot) -> PoolView:
    """A node that is silent or draining is none of the pool's: another one takes its place."""
    members = [node for node in snapshot.nodes if node.labels.get(NodePool.LABEL) == pool.name]
    return PoolView(
        name=pool.name,
        shape=shape_of(pool, pool.name),
        nodes=frozenset(node.name for node in members if node.alive and node.state == "up"),
        min_nodes=pool.min_nodes,
        max_nodes=pool.max_nodes,
        startup_seconds=float(pool.startup_seconds),
        spare_nodes=pool.spare_nodes,
        lifetime_seconds=_working_life(pool),
        consolidates=pool.consolidate and pool.actuator != NodePool.Actuator.NONE and not pool.paused,
    )


def _working_life(pool: NodePool) -> float | None:
    """How long each of its nodes takes jobs: its agent leaves before the end."""
    return None if pool.lifetime_seconds is None else pool.lifetime_seconds - float(settings.NODE_LEAVE_SECONDS)


def shape_of(pool: NodePool, name: str) -> NodeView:
    """A node of the pool that is not there."""
    return NodeView(
        name=name,
        cpus=pool.cpus,
        memory_mb=pool.memory_mb,
        gpus=tuple(Gpu(index, pool.gpu_model, pool.gpu_memory_mb) for index in range(pool.gpus)),
        labels={**OF_EVERY_AGENT, **pool.labels, NodePool.LABEL: pool.name},
    )


def with_nodes_to_be_had(nodes: Sequence[NodeView]) -> list[NodeView]:
    """These, and as many as the pools may still get; none of pools that are paused."""
    there = Counter(node.labels.get(NodePool.LABEL) for node in nodes)
    pools = NodePool.objects.filter(paused=False).order_by("name")
    more = (shape_of(pool, pool.name) for pool in pools for _ in range(there[pool.name], pool.max_nodes))
    return [*nodes, *more]


def _current(pool: NodePool, view: PoolView, asked: PoolDemand) -> int:
    """What it has been told to have, whoever sees to that; what is there where nobody does, or nobody has been told yet.

    Nodes that somebody else started are no reason to shrink below those that hold jobs.
    """
    if pool.paused or pool.desired_nodes is None:
        return len(view.nodes)
    return max(pool.desired_nodes, asked.busy) if pool.actuator == NodePool.Actuator.NONE else pool.desired_nodes


def _rules(pool: NodePool) -> ScalingRules:
    return ScalingRules(up=_pace(UP, pool.scale_up_seconds), down=_pace(DOWN, pool.scale_down_seconds))


def _pace(usual: Pace, window_seconds: int) -> Pace:
    """Who wants a pool that follows within seconds does not want to wait minutes between two steps either."""
    return replace(usual, window_seconds=window_seconds, period_seconds=min(usual.period_seconds, window_seconds))


def _history(pool: NodePool) -> Sequence[Moment]:
    return [Moment(*moment) for moment in pool.history]


def _loads() -> Mapping[str, Load]:
    """By pool: the mean use of the processors and of the memory of its nodes, as they measure it."""
    rows = Node.objects.filter(removed_at__isnull=True, state=Node.State.UP, labels__has_key=NodePool.LABEL)
    uses: dict[str, list[tuple[float | None, float | None]]] = {}
    for name, load, memory_mb in rows.values_list(f"labels__{NodePool.LABEL}", "load", "memory_mb"):
        uses.setdefault(name, []).append(_use(load, memory_mb))
    return {name: Load(_mean(cpu for cpu, _ in of), _mean(memory for _, memory in of)) for name, of in uses.items()}


def _use(load: Mapping[str, Any], memory_mb: int) -> tuple[float | None, float | None]:
    cpu, memory = load.get("cpu_percent"), load.get("memory_used_mb")
    return None if cpu is None else cpu / 100, memory / memory_mb if memory is not None and memory_mb else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _note(pool: NodePool, asked: PoolDemand, decision: ScalingDecision, now: float) -> None:
    """Beside what an operator may just be changing of the pool."""
    NodePool.objects.filter(pk=pool.pk).update(
        busy_nodes=asked.busy,
        demand_now=asked.now,
        demand_soon=asked.soon,
        waiting_jobs=asked.waiting,
        idle_nodes=list(asked.idle),
        wanted_nodes=decision.wanted,
        desired_nodes=decision.nodes,
        why=decision.why,
        history=[list(moment) for moment in decision.history],
        decided_at=datetime.fromtimestamp(now, UTC),
    )


def _note_consolidation(pool: NodePool, found: Consolidation | None) -> None:
    """Who acts for the pool sees to it, while the same jobs still run there."""
    emptying = found and {
        "node": found.node,
        "jobs": sorted(move.job_id for move in found.moves),
        "gain": round(found.gain),
        "cost": round(found.cost),
    }
    if (emptying or {}) != pool.emptying:
        NodePool.objects.filter(pk=pool.pk).update(emptying=emptying or {})
