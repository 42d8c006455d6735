"""Which parts fail in a drill, when and for how long: drawn from a seed, so that a run can be repeated."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

NOWHERE = -1


class FaultKind(StrEnum):
    """What can be done to a platform."""

    AGENT_KILLED = "agent killed"
    AGENT_STOPPED = "agent stopped"  # SIGSTOP, and SIGCONT later
    AGENT_ENDED = "agent ended"  # SIGTERM: it gives its jobs back
    AGENT_UPGRADED = "agent upgraded"  # SIGQUIT: it leaves its jobs to the next one
    SHIM_KILLED = "shim killed"
    SHIM_STOPPED = "shim stopped"
    PLANNER_KILLED = "planner killed"
    PLANNER_STOPPED = "planner stopped"
    BEAT_KILLED = "beat killed"
    WEB_KILLED = "web killed"
    BROKER_KILLED = "broker killed"
    BROKER_WIPED = "broker wiped"  # killed, and its data deleted
    BROKER_REFUSES = (
        "broker refuses"  # it answers with errors: read-only, out of memory, without replicas, another password
    )
    DATABASE_KILLED = "database killed"
    NETWORK_CUT = "network cut"
    NETWORK_DEAF = "network half-open"  # takes what is sent, and passes nothing on
    DISK_FULL = "disk full"
    MESSAGES_FORGED = "messages doubled, late and forged"


ON_A_NODE = frozenset(
    {
        FaultKind.AGENT_KILLED,
        FaultKind.AGENT_STOPPED,
        FaultKind.AGENT_ENDED,
        FaultKind.AGENT_UPGRADED,
        FaultKind.SHIM_KILLED,
        FaultKind.SHIM_STOPPED,
        FaultKind.NETWORK_CUT,
        FaultKind.NETWORK_DEAF,
        FaultKind.DISK_FULL,
    }
)
WEIGHTS: dict[FaultKind, float] = {
    FaultKind.AGENT_KILLED: 16,
    FaultKind.AGENT_STOPPED: 8,
    FaultKind.AGENT_ENDED: 4,
    FaultKind.AGENT_UPGRADED: 6,
    FaultKind.SHIM_KILLED: 10,
    FaultKind.SHIM_STOPPED: 6,
    FaultKind.PLANNER_KILLED: 8,
    FaultKind.PLANNER_STOPPED: 4,
    FaultKind.BEAT_KILLED: 5,
    FaultKind.WEB_KILLED: 5,
    FaultKind.BROKER_KILLED: 5,
    FaultKind.BROKER_WIPED: 5,
    FaultKind.BROKER_REFUSES: 7,
    FaultKind.DATABASE_KILLED: 5,
    FaultKind.NETWORK_CUT: 7,
    FaultKind.NETWORK_DEAF: 5,
    FaultKind.DISK_FULL: 4,
    FaultKind.MESSAGES_FORGED: 5,
}
SPANS: dict[FaultKind, tuple[float, float]] = {
    FaultKind.AGENT_KILLED: (0.1, 2.5),
    FaultKind.AGENT_STOPPED: (0.3, 2.5),
    FaultKind.AGENT_ENDED: (0.1, 1.0),
    FaultKind.AGENT_UPGRADED: (0.1, 0.5),
    FaultKind.SHIM_KILLED: (0, 0),
    FaultKind.SHIM_STOPPED: (0.5, 2.0),
    FaultKind.PLANNER_STOPPED: (0.5, 1.5),
    FaultKind.BROKER_REFUSES: (0.3, 2.5),
    FaultKind.NETWORK_CUT: (0.3, 2.5),
    FaultKind.NETWORK_DEAF: (0.3, 2.5),
    FaultKind.DISK_FULL: (0.5, 2.0),
    FaultKind.MESSAGES_FORGED: (0, 0),
}
"""How long a fault lasts, in leases."""
USUAL_SPAN = (0.1, 0.6)
PAUSE_LEASES = 0.5
"""A part that was healed is left alone for so long."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: `at` and `seconds` from the start of the drill; `node` counts the agents; `draw` chooses among what is there."""

    number: int
    at: float
    kind: FaultKind
    seconds: float
    node: int = NOWHERE
    draw: float = 0.0


def plan_faults(seed: int, count: int, agents: int, *, lease: float, without: Sequence[FaultKind] = ()) -> list[Fault]:
    """`count` faults, about one a lease. Each kind that is possible comes at least once if there are enough.

    A part, and all that is on one node, has one fault at a time: a shim and the agent that looks after it, stopped
    together, could keep no promise.
    """
    draw = random.Random(f"faults {seed}")
    free_at: dict[str | int, float] = dict.fromkeys(range(agents), 0.0)
    faults: list[Fault] = []
    at = lease
    for number, kind in enumerate(_kinds(draw, count, without)):
        at += lease * draw.uniform(0.3, 1.2)
        seconds = lease * draw.uniform(*SPANS.get(kind, USUAL_SPAN))
        node = _free_node(draw, free_at, agents, at) if kind in ON_A_NODE else NOWHERE
        part = kind.partition(" ")[0] if node == NOWHERE else node
        at = max(at, free_at.get(part, 0.0))
        free_at[part] = at + seconds + PAUSE_LEASES * lease
        faults.append(Fault(number, round(at, 3), kind, round(seconds, 3), node, draw.random()))
    return faults


def _free_node(draw: random.Random, free_at: Mapping[str | int, float], agents: int, at: float) -> int:
    """A node that is well by then, or else one of those that are well soonest."""
    by_then = max(at, min(free_at[node] for node in range(agents)))
    return draw.choice([node for node in range(agents) if free_at[node] <= by_then])


def _kinds(draw: random.Random, count: int, without: Sequence[FaultKind]) -> list[FaultKind]:
    possible = [kind for kind in WEIGHTS if kind not in without]
    each = draw.sample(possible, len(possible))[:count]
    more = draw.choices(possible, [WEIGHTS[kind] for kind in possible], k=count - len(each))
    kinds = [*each, *more]
    draw.shuffle(kinds)
    return kinds
