"""Questions about many nodes."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from workers.models import Node


def nodes_now() -> QuerySet[Any]:
    """All nodes, each with the database's `now`: by it `node.liveness(node.now)` is judged, not by the reader's clock."""
    return Node.objects.annotate(now=Now())


def liveness_counts(nodes: Iterable[Any]) -> dict[str, int]:
    """How many of `nodes_now` are alive, dead, unknown."""
    counts = Counter(node.liveness(node.now) for node in nodes)
    return {value: counts[value] for value in Node.Liveness.values}
