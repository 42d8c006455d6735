"""A cluster that is gone for good: by an operator's word alone, as nobody else can know."""

from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from jobs.attempts.completion import finish
from jobs.logs import gaps
from jobs.messages import publishing
from jobs.models import Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.errors import ConflictError, NotFoundError
from scheduling.lifecycle import EndReason, PlacementState
from workers import clusters
from workers.models import Cluster

A_TURN = 500


def find_cluster(name: str) -> Any:
    """With the database's `now`. Raises NotFoundError naming those that there are."""
    found = Cluster.objects.annotate(now=Now()).filter(name=name).first()
    if found is None:
        names = ", ".join(Cluster.objects.values_list("name", flat=True)) or "none"
        raise NotFoundError(f"There is no cluster {name}. There are: {names}.")
    return found


def declare_lost(name: str, by: str) -> int:
    """End all that holds a place on its nodes as `node_lost`; returns how many places. What might run there still can say nothing.

    Raises ConflictError while the cluster answers: then nothing is lost, and its nodes can be drained.
    """
    with transaction.atomic():
        cluster = find_cluster(name)
        if cluster.is_reached(cluster.now):
            words = f"Cluster {name} answers: drain its nodes, or stop its bridge and wait until it counts as silent."
            raise ConflictError(words, state="reached")
        clusters.declare_lost(cluster, by)
    words = f"Cluster {name} was declared lost by {by}."
    ended = 0
    while turn := _end_some(cluster, words):
        ended += turn
    publishing.request_cycle()
    return ended


@transaction.atomic
def _end_some(cluster: Cluster, words: str) -> int:
    """Nobody claims there any more, so each turn leaves fewer. What had begun may have printed what nobody will read."""
    rows = Placement.objects.filter(node__cluster=cluster, closed_at__isnull=True).select_related("attempt")
    found = list(rows.order_by("attempt__job_id", "pk")[:A_TURN])
    begun = {row.pk for row in found if row.state != PlacementState.PLACED}
    endings = [
        PlacementOutcome(
            PlacementRef(row.pk, str(row.attempt.token)), EndReason.NODE_LOST, message=words, charged=row.pk in begun
        )
        for row in found
    ]
    closed = finish(endings) if endings else frozenset()
    gaps.add_lost_ends(sorted(closed & begun))
    return len(closed)
