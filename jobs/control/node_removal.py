"""Removing a node that was scaled away. Its row stays for the history of what ran on it, and is shown nowhere else."""

from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from jobs.control import draining
from jobs.messages import publishing
from jobs.models.planning import ReservedNode
from scheduling.errors import ConflictError
from workers import heartbeats
from workers.models import Node
from workers.queries import nodes_now


@transaction.atomic
def remove(node: Node) -> None:
    """Forget the machine: its labels, its drain, what was suspected of it. Its agent may register it again at any time.

    Raises ConflictError while an agent speaks for it, a job holds a place on it, or a reservation keeps it.
    """
    locked = nodes_now().select_for_update(no_key=True).get(pk=node.pk)
    _refuse_in_use(locked)
    heartbeats.forget(locked)
    publishing.request_cycle()


def _refuse_in_use(node: Any) -> None:
    if node.liveness(node.now) == Node.Liveness.ALIVE and node.state != Node.State.DOWN:
        raise ConflictError(f"Node {node} is alive: stop its agent first.", state=node.state)
    if left := draining.open_jobs(node.pk):
        jobs = "a job holds a place" if left == 1 else f"{left} jobs hold places"
        raise ConflictError(f"On node {node} {jobs}: wait until it is given back.", state=node.state)
    kept = ReservedNode.objects.filter(Q(during__endswith__gt=Now()), node=node).select_related("reservation").first()
    if kept is not None:
        raise ConflictError(f"Node {node} is kept by reservation {kept.reservation}: remove that first.")
