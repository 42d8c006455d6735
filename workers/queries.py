"""Questions about many nodes."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
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


def liveness_counts(nodes: Iterable[Any]) -> dict[str, int]:
    """How many of `nodes_now` are alive, dead, unknown."""
    counts = Counter(node.liveness(node.now) for node in nodes)
    return {value: counts[value] for value in Node.Liveness.values}
