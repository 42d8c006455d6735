"""Questions about many nodes."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Case, Q, QuerySet, Value, When
from django.db.models.functions import Now

from workers.models import Node


def nodes_now() -> QuerySet[Any]:
    """All nodes, each with the database's `now`: by it `node.liveness(node.now)` is judged, not by the reader's clock.

    Those that were removed are history.
    """
    return Node.objects.filter(removed_at__isnull=True).annotate(now=Now())


def in_use(nodes: QuerySet[Any]) -> QuerySet[Any]:
    """Those of `nodes` that belong to the fleet: not whose agent said goodbye long ago. Silent ones do, they are missed."""
    long_ago = Now() - timedelta(seconds=settings.HIDE_NODES_SECONDS)
    gone = Q(state=Node.State.DOWN, agent_id__isnull=True, last_heartbeat_at__lt=long_ago)
    return nodes.exclude(gone)


def with_liveness(nodes: QuerySet[Any]) -> QuerySet[Any]:
    """Each with what `Node.liveness` says of it now, as `alive_or`: for sums that the database makes."""
    fresh = Q(last_heartbeat_at__gte=Now() - timedelta(seconds=settings.LEASE_SECONDS))
    known = When(last_heartbeat_at__isnull=True, then=Value(Node.Liveness.UNKNOWN.value))
    alive = When(fresh, then=Value(Node.Liveness.ALIVE.value))
    return nodes.annotate(alive_or=Case(known, alive, default=Value(Node.Liveness.DEAD.value)))


def liveness_counts(nodes: Iterable[Any]) -> dict[str, int]:
    """How many of `nodes_now` are alive, dead, unknown."""
    counts = Counter(node.liveness(node.now) for node in nodes)
    return {value: counts[value] for value in Node.Liveness.values}
