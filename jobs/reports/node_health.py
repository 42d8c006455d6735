"""How a node is, in words for people: alive or not, heard of or not, being emptied and why."""

from dataclasses import dataclass
from typing import Any

from jobs.reports import node_condition
from workers import protocol
from workers.models import Node


@dataclass(frozen=True, slots=True)
class Health:
    """`ok`: it takes work. Otherwise, or where there is something to know, `reasons` say what."""

    ok: bool
    reasons: tuple[str, ...]


def health(node: Any, *, jobs: int) -> Health:
    """Of one of `workers.queries.nodes_now`, on which so many jobs hold a place."""
    alive = node.liveness(node.now) == Node.Liveness.ALIVE
    reasons = (
        _agent(node, alive=alive),
        _refused(node),
        _queue_probe(node, alive=alive),
        _drain(node, jobs),
        _leaving(node, alive=alive),
        node.suspicion,
    )
    told = node_condition.sentences(node) if alive else []
    if alive and not understood(node):
        told.append(protocol.skew(protocol.spoken_by(node)))
    return Health(takes_work(node), tuple(filter(None, (*reasons, *told))))


def takes_work(node: Any) -> bool:
    alive = node.liveness(node.now) == Node.Liveness.ALIVE
    fit = alive and not node_condition.disk_full(node) and understood(node)
    return fit and node.state == Node.State.UP and consuming(node) is not False


def understood(node: Any) -> bool:
    """Whether this release can work with its agent; of one that is down nothing is known."""
    spoken = protocol.spoken_by(node)
    return spoken is None or not protocol.why_not(spoken)


def lost(node: Any) -> bool:
    """Whether its agent fell silent; one that was stopped has said so. That a cluster is silent is told of the cluster."""
    return node.cluster_id is None and node.liveness(node.now) == Node.Liveness.DEAD and not _stopped(node)


def consuming(node: Any) -> bool | None:
    """Whether messages for it arrive there. What an agent said that is silent now is not known any more."""
    known: bool | None = node.consuming
    return known if node.liveness(node.now) == Node.Liveness.ALIVE else None


def drain_sentence(node: Any, jobs: int) -> str:
    """`draining (2 jobs left)`; empty for a node that is not being emptied."""
    if not node.cordoned and node.state != Node.State.DRAINING:
        return ""
    return f"draining ({jobs} {'job' if jobs == 1 else 'jobs'} left)" if jobs else "drained"


def _agent(node: Any, *, alive: bool) -> str:
    if node.cluster_id is not None:
        return _cluster(node, alive=alive)
    if node.last_heartbeat_at is None:
        return "Its agent was never heard of."
    if _stopped(node):
        return "Its agent was stopped."
    seconds = (node.now - node.last_heartbeat_at).total_seconds()
    return "" if alive else f"Its agent has been silent for {seconds:.0f} s."


def _cluster(node: Any, *, alive: bool) -> str:
    if not node.load and node.state == Node.State.DOWN and node.agent_id is None:
        return f"Cluster {node.cluster} has no such node any more."
    unusable = str(node.load.get("unusable", ""))
    return (
        f"Cluster {node.cluster}: {unusable}"
        if alive and unusable
        else ""
        if alive
        else f"Cluster {node.cluster} does not answer."
    )


def _refused(node: Any) -> str:
    """Of an agent that came since the last one registered, and was turned away."""
    if not node.refusal or node.refused_at is None or node.refused_at < node.registered_at:
        return ""
    return f"An agent was turned away at {node.refused_at:%Y-%m-%d %H:%M:%S} UTC: {node.refusal}"


def _stopped(node: Any) -> bool:
    return bool(node.state == Node.State.DOWN and node.agent_id is None)


def _queue_probe(node: Any, *, alive: bool) -> str:
    if not alive or node.state == Node.State.DOWN or node.consuming:
        return ""
    if node.cluster_id is not None and node.consuming is None:
        return ""  # its bridge looks for what is placed there by itself
    if node.consuming is None:
        return "Whether messages reach its agent is not known: it has just started, or the broker does not answer it."
    return "Messages do not reach its agent, though the broker takes them: the agent begins anew, its jobs run on."


def _leaving(node: Any, *, alive: bool) -> str:
    """Of one whose machine goes at a time that is known; what it is not there for is told to the jobs."""
    return f"It leaves at {node.leaves_at:%Y-%m-%d %H:%M:%S} UTC." if alive and node.leaves_at is not None else ""


def _drain(node: Any, jobs: int) -> str:
    words = drain_sentence(node, jobs).capitalize()
    if not words:
        return ""
    if not node.cordoned:
        return f"{words}: {'its cluster says so' if node.cluster_id is not None else 'its agent is stopping'}."
    until = f", until {node.drain_deadline:%Y-%m-%d %H:%M:%S} UTC" if jobs and node.drain_deadline else ""
    how = f", mode {node.drain_mode}{until}" if jobs else ""
    return f"{words}{how}{f': {node.drain_reason}' if node.drain_reason else ''}."
