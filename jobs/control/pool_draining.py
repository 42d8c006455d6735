"""Emptying nodes that a pool has too many of: those that hold no job, and one at a time whose jobs have room elsewhere.

Each is drained before it goes, so that no job comes to it any more.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from django.db import connection, transaction

from jobs.control import draining, node_removal
from jobs.models import Placement
from jobs.planning.cycle import PLANNER_LOCK
from scheduling.errors import ConflictError
from workers.models import Node, NodePool
from workers.queries import nodes_now

SCALED_DOWN = "Its pool is scaled down."
CONSOLIDATED = "Its pool is consolidated: its jobs move to other nodes."


class PoolNode(NamedTuple):
    """A node of a pool, as its scaling needs to know it."""

    name: str
    down: bool
    cordoned: bool
    surplus: bool  # drained as its pool has too many, and not by a person
    emptied: bool  # surplus, though it held jobs: they were asked to move
    jobs: int


def pool_nodes(pool: str) -> dict[str, PoolNode]:
    """By name, those that were ever heard of and did not go for good."""
    labelled = {f"labels__{NodePool.LABEL}": pool, "removed_at__isnull": True}
    rows = Node.objects.filter(**labelled).order_by("name")
    return {
        node.name: PoolNode(
            name=node.name,
            down=node.state == Node.State.DOWN,
            cordoned=node.cordoned,
            surplus=is_surplus(node),
            emptied=node.cordoned and node.drain_reason == CONSOLIDATED,
            jobs=draining.open_jobs(node.pk),
        )
        for node in rows
    }


def priorities_held(nodes: Iterable[str]) -> dict[str, list[int]]:
    """By node, the priority of each job that holds a place there; of those that hold none, nothing."""
    rows = Placement.objects.filter(node__name__in=list(nodes), closed_at__isnull=True)
    held: dict[str, list[int]] = {}
    for node, priority in rows.values_list("node__name", "attempt__job__priority"):
        held.setdefault(node, []).append(priority)
    return held


def is_surplus(node: Node) -> bool:
    return node.cordoned and node.drain_reason in (SCALED_DOWN, CONSOLIDATED)


@transaction.atomic
def drain_idle(names: Iterable[str], most: int) -> list[str]:
    """Drain of these as many as are asked for, those that hold no job; returns which.

    Between two cycles: what one has placed is seen, and the next one places nothing on them.
    """
    _between_cycles()
    rows = Node.objects.filter(name__in=list(names), cordoned=False).select_for_update(no_key=True).order_by("pk")
    idle = [node for node in rows if not draining.open_jobs(node.pk)][:most]
    for node in idle:
        draining.drain(node, reason=SCALED_DOWN)
    return [node.name for node in idle]


@transaction.atomic
def consolidate(pool: NodePool) -> str | None:
    """Have the jobs of the node that the pool's decision names move, and the pool be one node smaller; returns which.

    Nothing is done unless the very jobs that were found to have room elsewhere run there, and the pool is still to have
    as many nodes.
    """
    _between_cycles()
    rows = NodePool.objects.select_for_update(no_key=True)
    now = rows.filter(pk=pool.pk, desired_nodes=pool.desired_nodes, emptying=pool.emptying).first()
    wanted = now.emptying if now is not None else {}
    node = Node.objects.select_for_update(no_key=True).filter(name=wanted.get("node"), cordoned=False).first()
    if now is None or node is None or not now.desired_nodes or draining.jobs_on(node.pk) != wanted["jobs"]:
        return None
    draining.drain(node, mode=Node.DrainMode.CHECKPOINT, reason=CONSOLIDATED)
    now.desired_nodes, now.emptying = now.desired_nodes - 1, {}
    now.save(update_fields=["desired_nodes", "emptying"])
    return node.name


def _between_cycles() -> None:
    """Until the transaction ends no cycle begins; what the last one placed is seen."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PLANNER_LOCK])


@transaction.atomic
def keep(name: str) -> bool:
    """Let it take work again, if it is drained as surplus and for nothing else; whether it was."""
    node = Node.objects.select_for_update(no_key=True).filter(name=name).first()
    if node is None or not is_surplus(node):
        return False
    draining.undrain(node)
    return True


def forget_gone(name: str) -> None:
    """The machine went as it was surplus: its row is shown no more, unless something still keeps it."""
    node = nodes_now().filter(name=name, state=Node.State.DOWN).first()
    if node is not None:
        with suppress(ConflictError):
            node_removal.remove(node)


def names_in_use(pool: str) -> set[str]:
    """Of names like those of its nodes, which some agent speaks for now, whatever its labels."""
    return set(
        Node.objects.filter(name__startswith=f"{pool}-").exclude(state=Node.State.DOWN).values_list("name", flat=True)
    )
