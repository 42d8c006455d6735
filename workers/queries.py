"""Reads over nodes, by the database's clock."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Case, QuerySet, Value, When
from django.db.models.functions import Now

from workers.models import Node


def with_liveness(nodes: QuerySet[Node]) -> QuerySet[Node]:
    """Adds `alive_now` to each node: "alive" within one lease of its last heartbeat, "unknown" before the first, "dead" after."""
    lease_began = Now() - timedelta(seconds=settings.LEASE_SECONDS)
    return nodes.annotate(
        alive_now=Case(
            When(last_heartbeat_at__isnull=True, then=Value(Node.Liveness.UNKNOWN)),
            When(last_heartbeat_at__gte=lease_began, then=Value(Node.Liveness.ALIVE)),
            default=Value(Node.Liveness.DEAD),
        )
    )
