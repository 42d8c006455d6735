"""What can be done to a platform: each kind of fault, how often it comes, how long it lasts, and which parts it takes."""

from enum import StrEnum

NOWHERE = -1


class FaultKind(StrEnum):
    """What can be done to a platform. Its first word is the part, or the parts, to which it is done."""

    AGENT_KILLED = "agent killed"
    AGENT_STOPPED = "agent stopped"  # SIGSTOP, and SIGCONT later
    AGENT_ENDED = "agent ended"  # SIGTERM: it gives its jobs back
    AGENT_UPGRADED = "agent upgraded"  # SIGQUIT: it leaves its jobs to the next one
    AGENT_SIGNALLED = "agent signalled"  # every signal that ends or renews something, forty of them within a second
    AGENT_TWICE = "agent started twice"  # a second one of the same name, while the first lives
    AGENTS_KILLED = "all agents killed"
    AGENTS_STOPPED = "all agents stopped"
    NODE_FROZEN = "node frozen"  # agent, shims and jobs, all of them stopped and continued together
    SHIM_KILLED = "shim killed"
    SHIM_STOPPED = "shim stopped"
    PLANNER_KILLED = "planner killed"
    PLANNER_STOPPED = "planner stopped"
    PLANNER_SIGNALLED = "planner signalled"
    BEAT_KILLED = "beat killed"
    BEAT_SIGNALLED = "beat signalled"
    WEB_KILLED = "web killed"
    WEB_SIGNALLED = "web signalled"
    BROKER_KILLED = "broker killed"
    BROKER_WIPED = "broker wiped"  # killed, and its data deleted
    BROKER_REFUSES = "broker refuses"  # it answers with errors: see `refusals`
    BROKER_LOADING = "broker loads its data"  # killed, and it answers LOADING for a while after its start
    BROKER_REPLACED = "broker failed over"  # killed, and its replica takes its place
    DATABASE_KILLED = "database killed"
    DATABASE_STOPPED = "database stopped"
    DATABASE_LOCKED = "database locked"  # a session of somebody else's holds what the platform needs
    NETWORK_CUT = "network cut"
    NETWORK_DEAF = "network half-open"  # takes what is sent, and passes nothing on
    DISK_FULL = "disk full"
    DISK_READ_ONLY = "disk read-only"
    DISK_ROBBED = "disk robbed of a job's folder"
    MESSAGES_FORGED = "messages doubled, late and forged"


WEIGHTS: dict[FaultKind, float] = {
    FaultKind.AGENT_KILLED: 14,
    FaultKind.AGENT_STOPPED: 7,
    FaultKind.AGENT_ENDED: 4,
    FaultKind.AGENT_UPGRADED: 5,
    FaultKind.AGENT_SIGNALLED: 4,
    FaultKind.AGENT_TWICE: 3,
    FaultKind.AGENTS_KILLED: 2,
    FaultKind.AGENTS_STOPPED: 2,
    FaultKind.NODE_FROZEN: 7,
    FaultKind.SHIM_KILLED: 9,
    FaultKind.SHIM_STOPPED: 6,
    FaultKind.PLANNER_KILLED: 7,
    FaultKind.PLANNER_STOPPED: 4,
    FaultKind.PLANNER_SIGNALLED: 2,
    FaultKind.BEAT_KILLED: 4,
    FaultKind.BEAT_SIGNALLED: 2,
    FaultKind.WEB_KILLED: 4,
    FaultKind.WEB_SIGNALLED: 2,
    FaultKind.BROKER_KILLED: 5,
    FaultKind.BROKER_WIPED: 5,
    FaultKind.BROKER_REFUSES: 8,
    FaultKind.BROKER_LOADING: 3,
    FaultKind.BROKER_REPLACED: 4,
    FaultKind.DATABASE_KILLED: 5,
    FaultKind.DATABASE_STOPPED: 4,
    FaultKind.DATABASE_LOCKED: 5,
    FaultKind.NETWORK_CUT: 7,
    FaultKind.NETWORK_DEAF: 5,
    FaultKind.DISK_FULL: 4,
    FaultKind.DISK_READ_ONLY: 4,
    FaultKind.DISK_ROBBED: 4,
    FaultKind.MESSAGES_FORGED: 5,
}
SPANS: dict[FaultKind, tuple[float, float]] = {
    FaultKind.AGENT_KILLED: (0.1, 2.5),
    FaultKind.AGENT_STOPPED: (0.3, 2.5),
    FaultKind.AGENT_ENDED: (0.1, 1.0),
    FaultKind.AGENT_UPGRADED: (0.1, 0.5),
    FaultKind.AGENT_TWICE: (2.5, 4.0),
    FaultKind.AGENTS_KILLED: (0.1, 1.5),
    FaultKind.AGENTS_STOPPED: (0.3, 2.0),
    FaultKind.NODE_FROZEN: (0.3, 2.5),
    FaultKind.SHIM_KILLED: (0, 0),
    FaultKind.SHIM_STOPPED: (0.5, 2.0),
    FaultKind.PLANNER_STOPPED: (0.5, 1.5),
    FaultKind.BROKER_REFUSES: (0.3, 2.5),
    FaultKind.BROKER_LOADING: (0.3, 1.5),
    FaultKind.DATABASE_STOPPED: (0.3, 2.0),
    FaultKind.DATABASE_LOCKED: (0.5, 2.0),
    FaultKind.NETWORK_CUT: (0.3, 2.5),
    FaultKind.NETWORK_DEAF: (0.3, 2.5),
    FaultKind.DISK_FULL: (0.5, 2.0),
    FaultKind.DISK_READ_ONLY: (0.5, 2.0),
    FaultKind.DISK_ROBBED: (0, 0),
    FaultKind.MESSAGES_FORGED: (0, 0),
}
"""How long a fault lasts, in leases."""
USUAL_SPAN = (0.1, 0.6)
NEED_OWN_DISKS = (FaultKind.DISK_FULL, FaultKind.DISK_READ_ONLY)
"""Those that need a disk of a node's own: see `disks.mounts_allowed`."""
ON_A_NODE = frozenset({"agent", "node", "shim", "network", "disk"})
LOOKED_AFTER = frozenset({"agent", "node", "shim"})
"""A shim and the agent that looks after it, gone together, could keep no promise: they have one fault at a time."""


def is_on_a_node(kind: FaultKind) -> bool:
    """Whether it is done to one node; otherwise to a part that there is once, or to all nodes."""
    return _first_word(kind) in ON_A_NODE


def affected_parts(kind: FaultKind, node: int, agents: int) -> frozenset[str]:
    """The parts that can have no other fault as long as this one lasts."""
    word = _first_word(kind)
    if word == "all":
        return frozenset(f"agent {number}" for number in range(agents))
    if word not in ON_A_NODE:
        return frozenset({word})
    return frozenset({f"{'agent' if word in LOOKED_AFTER else word} {node}"})


def _first_word(kind: FaultKind) -> str:
    return kind.partition(" ")[0]
