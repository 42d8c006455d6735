"""A cluster's row: taken by its bridge, kept alive by it, and given up. Time is the database's clock throughout.

Whoever writes on behalf of a cluster does so inside `speaking`: a bridge whose row was taken writes nothing any more.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, Subquery, Value, When
from django.db.models.functions import Now

from scheduling.errors import ConflictError, TrainyardError
from scheduling.executors import WORDS
from scheduling.reasons import listed
from workers.heartbeats import NOTHING_HEARD, QueueProbeResult
from workers.models import Cluster, Node

HELD = "held"
"""The state of a ConflictError that passes by itself: another bridge is at work."""


class TakenOverError(TrainyardError):
    """Another bridge speaks for the cluster now, or nobody may: what this one was about to write is not written."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether the cluster answered its bridge; if not, why, in words. `workloads`: what it has of ours, by phase."""

    fault: str = ""
    workloads: Mapping[str, int] = field(default_factory=dict)


def register(
    *, name: str, kind: str, agent_id: UUID, version: str, image: str, unsupported: Mapping[str, str]
) -> Cluster:
    """Make the cluster's row or take it over, for a bridge of this identity.

    Raises ConflictError: with state `held` while another bridge speaks for it, otherwise for good.
    """
    refuse_taken_name(name)
    Cluster.objects.bulk_create([Cluster(name=name, kind=kind)], ignore_conflicts=True)
    row = Cluster.objects.get(name=name)
    if row.kind != kind:
        raise ConflictError(
            f"Cluster {name!r} is a {row.kind} cluster: give this one another name, or --kind {row.kind}."
        )
    lease_began = Now() - timedelta(seconds=settings.LEASE_SECONDS)
    others = ~Q(agent_id=agent_id) & Q(agent_id__isnull=False) & Q(last_heartbeat_at__gte=lease_began)
    free = Cluster.objects.filter(name=name).exclude(others)
    facts = {"version": version, "unsupported": dict(unsupported), "registered_at": Now(), "last_heartbeat_at": Now()}
    if not free.update(agent_id=agent_id, **facts, **({"image": image} if image else {})):
        raise ConflictError(
            f"Another bridge speaks for cluster {name!r}: this one waits until that falls silent.", state=HELD
        )
    row.refresh_from_db()
    return row


def refuse_taken_name(name: str) -> None:
    """Raise ConflictError where a node that is no cluster's has the name: both would be sent the same messages."""
    if Node.objects.filter(name=name, cluster__isnull=True, removed_at__isnull=True).exists():
        raise ConflictError(f"There is a node {name!r}: give the cluster another name.")


def unknown_executor(executor: str, clusters: Sequence[Cluster]) -> str:
    """Why nobody goes by that word, with the words that there are; empty if somebody does."""
    kinds, names = sorted({one.kind for one in clusters}), [one.name for one in clusters]
    if executor in ("", *WORDS, *kinds, *names):
        return ""
    there = listed([*WORDS, *kinds, *names]) if clusters else f"{listed(WORDS)}; no cluster has registered yet"
    return f"There is no executor {executor!r}. There are: {there}."


@contextmanager
def speaking(cluster_id: int, agent_id: UUID) -> Iterator[None]:
    """A transaction in which this bridge certainly speaks for the cluster; raises TakenOverError if it does not.

    Whoever takes the row over waits until the transaction has ended.
    """
    with transaction.atomic():
        mine = Cluster.objects.filter(pk=cluster_id, agent_id=agent_id)
        if not mine.select_for_update(no_key=True).values_list("pk").first():
            raise TakenOverError(f"Another bridge speaks for cluster {cluster_id} now.")
        yield


def beat(cluster_id: int, agent_id: UUID, reach: Reach) -> None:
    """One sign of life of the bridge, and what it knows of the cluster. Raises TakenOverError.

    Who is reached is not lost any more, whatever an operator declared.
    """
    mine = Cluster.objects.filter(pk=cluster_id, agent_id=agent_id)
    reached = {
        "reached_at": Now(),
        "reached_since": Case(
            When(reached_at__gte=Now() - timedelta(seconds=settings.LEASE_SECONDS), then=F("reached_since")),
            default=Now(),
        ),
        "fault": "",
        "lost_at": None,
        "lost_by": "",
        "workloads": dict(reach.workloads),
    }
    if not mine.update(last_heartbeat_at=Now(), **({"fault": reach.fault[:500]} if reach.fault else reached)):
        raise TakenOverError(f"Another bridge speaks for cluster {cluster_id} now.")


def why_silent(cluster: Cluster, now: datetime) -> str:
    """Why a cluster that has not answered for a lease is silent, as a sentence."""
    if cluster.lost_at is not None:
        return f"It was declared lost by {cluster.lost_by or 'an operator'}."
    if not cluster.is_spoken_for(now):
        return "Its bridge does not run."
    return cluster.fault or "Its bridge has just started."


def keep_nodes(cluster_id: int, agent_id: UUID, heard: QueueProbeResult = NOTHING_HEARD) -> None:
    """All nodes of the cluster that are there are so still: what was last said of them holds. In one statement."""
    heard_at = None if heard.seconds_ago is None else Now() - timedelta(seconds=heard.seconds_ago)
    there = Node.objects.filter(cluster=cluster_id, removed_at__isnull=True).exclude(load={})
    version = Subquery(Cluster.objects.filter(pk=cluster_id).values("version")[:1])
    said = {"consuming": heard.consuming, "heard_at": heard_at, "agent_id": agent_id, "version": version}
    there.update(last_heartbeat_at=Now(), state=FOLLOWS, **said)


FOLLOWS = Case(
    When(Q(cordoned=True) | Q(load__unusable__isnull=False), then=Value(Node.State.DRAINING)),
    default=Value(Node.State.UP),
)
"""Up, unless an operator of ours has cordoned the node, or its cluster says that nothing may start there."""


def deregister(cluster_id: int, agent_id: UUID) -> None:
    """The bridge ends in order: another one may take the cluster at once. What runs there runs on."""
    Cluster.objects.filter(pk=cluster_id, agent_id=agent_id).update(agent_id=None)


def declare_lost(cluster: Cluster, by: str) -> None:
    """An operator's word that it will not come back: nobody speaks for it, and nothing is placed there.

    What held places on it is the caller's to end. A bridge that reaches it all the same takes the word back.
    """
    gone: dict[str, Any] = {"agent_id": None, "lost_at": Now(), "lost_by": by[:150], "workloads": {}}
    Cluster.objects.filter(pk=cluster.pk).update(**gone)
    Node.objects.filter(cluster=cluster.pk).update(state=Node.State.DOWN, load={}, agent_id=None)
    cluster.refresh_from_db()
