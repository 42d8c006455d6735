"""A node's row: registered by its agent, kept alive by its heartbeat, drained by its operators.

Time is the database's clock throughout, so that a machine with a wrong clock neither dies nor lives for ever.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from django.conf import settings
from django.db.models import Case, F, Func, JSONField, Q, QuerySet, Value, When
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Now

from scheduling import environments
from scheduling.errors import ConflictError
from workers import protocol
from workers.hardware.inventory import Hardware
from workers.models import Cluster, Node


@dataclass(frozen=True, slots=True)
class QueueProbeResult:
    """What an agent knows of its hearing. None: not known, as while the broker is away."""

    consuming: bool | None = None
    seconds_ago: float | None = None


ProbeReader: TypeAlias = Callable[[], QueueProbeResult]
"""Says so, for a heartbeat."""

Load: TypeAlias = Callable[[], Mapping[str, Any]]
"""Says how a node is, for its heartbeat."""

NOTHING_HEARD = QueueProbeResult()
FOLLOWS_CORDON = Case(When(cordoned=True, then=Value(Node.State.DRAINING)), default=Value(Node.State.UP))


class _OthersLabels(Func):
    """Labels of a node but for those by which agents say which environments it has: what is not there any more goes."""

    template = (
        "(SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(%(expressions)s) WHERE key !~ %(own)s)"
    )
    output_field = JSONField()


def register(
    *,
    name: str,
    hardware: Hardware,
    agent_id: UUID,
    labels: Mapping[str, Any],
    version: str,
    boot_id: str = "",
    leaves_in: float | None = None,
) -> Node:
    """Creates the node or takes over its row; refuses while another agent speaks for it.

    `leaves_in`: after so many seconds its agent stops what still runs there, and goes.
    Raises ProtocolError where agent and platform do not understand each other, whoever speaks for it. Labels that were set over REST stay, unless the agent was given others of the same names.
    """
    protocol.agree(name)
    if Cluster.objects.filter(name=name).exists() or Node.objects.filter(name=name, cluster__isnull=False).exists():
        raise ConflictError(f"{name!r} is a cluster's name, or that of a node of one: choose another --name.")
    Node.objects.bulk_create([Node(name=name)], ignore_conflicts=True)
    taken = (
        Node.objects.filter(name=name)
        .exclude(owned_by_another(agent_id, boot_id=boot_id, hostname=hardware.hostname))
        .update(
            hostname=hardware.hostname,
            address=hardware.address,
            state=FOLLOWS_CORDON,
            cpus=hardware.cpus,
            memory_mb=hardware.memory_mb,
            gpus=hardware.gpus_json(),
            labels=CombinedExpression(
                _OthersLabels(F("labels"), own=f"'{environments.AGENTS_OWN}'"), "||", Value(dict(labels), JSONField())
            ),
            agent_id=agent_id,
            boot_id=boot_id,
            version=version,
            registered_at=Now(),
            last_heartbeat_at=Now(),
            load={protocol.LOAD_KEY: protocol.PROTOCOL},
            consuming=None,
            heard_at=None,
            removed_at=None,
            leaves_at=None if leaves_in is None else Now() + timedelta(seconds=leaves_in),
            refusal="",
        )
    )
    if not taken:
        raise ConflictError(
            f"another agent speaks for node {name!r}: choose another name, or stop that agent"
            f" and try again after {settings.LEASE_SECONDS:g} seconds",
            state="held",
        )
    return Node.objects.get(name=name)


def owned_by_another(agent_id: UUID, *, boot_id: str, hostname: str) -> Q:
    """True for a row whose agent is another one and was heard of within one lease.

    The same identity on a host of another name that was started at another time is a copy of this machine's disk.
    """
    lease_began = Now() - timedelta(seconds=settings.LEASE_SECONDS)
    held = ~Q(state=Node.State.DOWN) & Q(agent_id__isnull=False) & Q(last_heartbeat_at__gte=lease_began)
    copied = ~Q(boot_id__in=["", boot_id]) & ~Q(hostname=hostname)
    return held & (~Q(agent_id=agent_id) | copied)


def beat(
    *,
    node_id: int,
    agent_id: UUID,
    load: Mapping[str, Any],
    leaving: bool = False,
    heard: QueueProbeResult = NOTHING_HEARD,
) -> bool:
    """One sign of life in one statement; False when another agent speaks for the node now.

    A `leaving` agent is about to end: its node is draining, whatever its operators want of it. `heard`: whether what
    is sent to the node arrives there.
    """
    mine = Node.objects.filter(id=node_id, agent_id=agent_id)
    state = Value(Node.State.DRAINING) if leaving else FOLLOWS_CORDON
    hearing = {"consuming": heard.consuming, "heard_at": _ago(heard.seconds_ago)}
    says = {**load, protocol.LOAD_KEY: protocol.PROTOCOL}
    return bool(mine.update(last_heartbeat_at=Now(), load=says, state=state, removed_at=None, **hearing))


def _ago(seconds: float | None) -> CombinedExpression | None:
    return None if seconds is None else Now() - timedelta(seconds=seconds)


def deregister(*, node_id: int, agent_id: UUID) -> bool:
    """The agent ends in order: the node is down at once. False when another agent speaks for the node now."""
    mine = Node.objects.filter(id=node_id, agent_id=agent_id)
    return bool(mine.update(state=Node.State.DOWN, agent_id=None, load={}, consuming=None, leaves_at=None))


def drain(node: Node, reason: str = "") -> Node:
    """An operator's word: the node takes nothing new until `undrain`, also when its agent starts again."""
    return set_cordon(node, cordoned=True, reason=reason)


def undrain(node: Node) -> Node:
    """The node takes work again, as soon as its agent is up; what failed on it before does not count any more."""
    Node.objects.filter(pk=node.pk).update(suspicion="", suspicions=0, trial_at=None, forgiven_at=Now())
    return set_cordon(node, cordoned=False, reason="")


def set_cordon(node: Node, *, cordoned: bool, reason: str) -> Node:
    state = Node.State.DRAINING if cordoned else Node.State.UP
    follows = Case(When(state=Node.State.DOWN, then=F("state")), default=Value(state))
    Node.objects.filter(pk=node.pk).update(cordoned=cordoned, drain_reason=reason[:200], state=follows)
    node.refresh_from_db()
    return node


def forget(node: Node) -> None:
    """The node counts as gone for good, and what operators and the platform said of it with it, until its agent is heard of."""
    suspicion = {"suspicion": "", "suspicions": 0, "trial_at": None, "forgiven_at": Now()}
    cordon = {"cordoned": False, "drain_reason": "", "drain_mode": Node.DrainMode.WAIT, "drain_deadline": None}
    gone = {"removed_at": Now(), "state": Node.State.DOWN, "load": {}, "labels": {}}
    Node.objects.filter(pk=node.pk).update(**gone, **cordon, **suspicion)


def mark_down() -> int:
    """Nodes that fell silent are down: they get no work until their agent is heard of again. Returns how many."""
    return silent(Node.objects.all()).update(state=Node.State.DOWN, load={})


def silent(nodes: QuerySet[Node]) -> QuerySet[Node]:
    """Those of `nodes` that are not down and were not heard of within one lease."""
    lease_began = Now() - timedelta(seconds=settings.LEASE_SECONDS)
    return nodes.exclude(state=Node.State.DOWN).filter(last_heartbeat_at__lt=lease_began)
