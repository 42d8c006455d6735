"""How many nodes a pool is to have: its demand, held within what it may have and how fast it may change.

The rules are those of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2, `behavior`): a stabilization window in each
direction, and a part of the pool by which it may change in a period. They bound flapping; the demand itself is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

from scheduling.scaling.pools import NodePool, PoolDemand


@dataclass(frozen=True, slots=True)
class Pace:
    """How a pool changes in one direction: by no more than `percent` of it, or `nodes` if that is more, in a period.

    Only what was wanted all through the window counts: of all that was, the least when it grows, the most when it shrinks.
    """

    percent: float
    nodes: int
    period_seconds: float
    window_seconds: float


UP = Pace(percent=100, nodes=4, period_seconds=30, window_seconds=30)
DOWN = Pace(percent=25, nodes=1, period_seconds=120, window_seconds=600)


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """How a pool follows its demand. Beside the plan it grows for nodes that are busier than the targets, and for waiting jobs."""

    up: Pace = UP
    down: Pace = DOWN
    cpu_target: float = 0.75
    memory_target: float = 0.80
    waiting_per_node: int = 10


class Load(NamedTuple):
    """The mean use of a pool's nodes, from 0 to 1; None where nobody has measured it."""

    cpu: float | None = None
    memory: float | None = None


NO_LOAD = Load()


class Moment(NamedTuple):
    """What was wanted at some time, and by how much the pool was changed then."""

    at: float
    wanted: int
    change: int = 0


class ScalingDecision(NamedTuple):
    """The nodes that a pool is to have, those that it would without its pace and bounds, and why they differ.

    `history` is to be given to the next decision.
    """

    nodes: int
    wanted: int
    why: str
    history: tuple[Moment, ...]


def decide(
    pool: NodePool,
    demand: PoolDemand,
    current: int,
    history: Sequence[Moment],
    now: float,
    rules: ScalingRules | None = None,
    load: Load = NO_LOAD,
) -> ScalingDecision:
    """How many nodes the pool, which has or has asked for `current`, is to have.

    It never has fewer than hold jobs: `demand.busy` is the least whatever else is said.
    """
    rules = rules or ScalingRules()
    wanted, why = _wanted(demand, rules, load)
    wanted += pool.spare_nodes if wanted else 0
    bounded = max(pool.min_nodes, min(pool.max_nodes, wanted))
    if bounded != wanted:
        why = f"the pool's {'least' if bounded > wanted else 'most'} is {bounded}"
    kept = tuple(one for one in history if now - one.at <= _longest(rules))
    nodes, held_by = _paced(bounded, current, (*kept, Moment(now, bounded)), now, rules)
    if nodes < demand.busy:
        nodes, held_by = min(current, demand.busy), "the others hold jobs"
    return ScalingDecision(nodes, wanted, held_by or why, (*kept, Moment(now, bounded, nodes - current)))


def grew_lately(history: Sequence[Moment], now: float, rules: ScalingRules | None = None) -> bool:
    """Whether the pool got a node within the time for which less must have sufficed before it shrinks."""
    window = (rules or ScalingRules()).down.window_seconds
    return any(one.change > 0 and now - one.at <= window for one in history)


def _wanted(demand: PoolDemand, rules: ScalingRules, load: Load) -> tuple[int, str]:
    """The most of what each signal asks for, and which one that was. Load alone buys nothing: no running job gains by it."""
    signals = [(max(demand.busy, demand.soon), "what runs and what waits would use them")]
    if demand.waiting and demand.soon > demand.busy:
        signals.append((ceil(demand.waiting / rules.waiting_per_node), f"{demand.waiting} jobs wait for them"))
        for use, target, what in ((load.cpu, rules.cpu_target, "CPUs"), (load.memory, rules.memory_target, "memory")):
            if use is not None and use > target:
                signals.append((ceil(demand.busy * use / target), f"{what} are used to {use:.0%}"))
    return max(signals, key=lambda signal: signal[0])


def _paced(wanted: int, current: int, seen: Sequence[Moment], now: float, rules: ScalingRules) -> tuple[int, str]:
    """What the pool may go to now, and what holds it from `wanted`; no words where nothing does."""
    least = min(one.wanted for one in seen if now - one.at <= rules.up.window_seconds)
    most = max(one.wanted for one in seen if now - one.at <= rules.down.window_seconds)
    if least > current:
        limit = _limit(current, seen, now, rules.up, 1)
        return (least, "" if least == wanted else _window(rules.up)) if least <= limit else (limit, _pace(rules.up))
    if most < current:
        limit = _limit(current, seen, now, rules.down, -1)
        return (most, "" if most == wanted else _window(rules.down)) if most >= limit else (limit, _pace(rules.down))
    return current, "" if current == wanted else _window(rules.up if wanted > current else rules.down)


def _limit(current: int, seen: Sequence[Moment], now: float, pace: Pace, sign: int) -> int:
    """How far the pool may have come by now: from what it had when the period began, by the pace in that direction."""
    changes = [one.change for one in seen if now - one.at < pace.period_seconds and one.change * sign > 0]
    before = current - sum(changes)
    by_percent = before * (1 + sign * pace.percent / 100)
    if sign > 0:
        return max(current, ceil(by_percent), before + pace.nodes)
    return max(0, min(current, floor(by_percent), before - pace.nodes))


def _longest(rules: ScalingRules) -> float:
    return max(rules.up.window_seconds, rules.up.period_seconds, rules.down.window_seconds, rules.down.period_seconds)


def _window(pace: Pace) -> str:
    return f"not wanted all through the last {pace.window_seconds:g} seconds"


def _pace(pace: Pace) -> str:
    return f"at most {pace.percent:g} % in {pace.period_seconds:g} seconds"
