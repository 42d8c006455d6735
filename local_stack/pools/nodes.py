"""A pool's nodes in the database: how they are, draining one before its agent ends, and whether a new agent is there.

Each function may be called in any thread, and closes the connection that it made. While the database is away, nothing is
known: they say so by None or raise PoolError, as each says.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, connection

from jobs.control import draining, pool_draining
from jobs.models.queries import UNUSED, usage_by_node
from jobs.reports import node_health
from local_stack.pools.errors import PoolError
from workers.models import Node
from workers.queries import nodes_now

Given = ParamSpec("Given")
Result = TypeVar("Result")


def in_any_thread(function: Callable[Given, Result]) -> Callable[Given, Result]:
    @wraps(function)
    def run(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except (DatabaseError, InterfaceError) as error:
            raise PoolError(f"The database does not answer ({type(error).__name__}).") from None
        finally:
            connection.close()

    return run


@in_any_thread
def status_of(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By name: `node`, `jobs` and `notes` of those that are registered. Raises PoolError."""
    held = usage_by_node()
    return {
        node.name: {
            "node": node.state if node.liveness(node.now) == Node.Liveness.ALIVE else node.liveness(node.now),
            "jobs": held.get(node.pk, UNUSED).jobs,
            "consuming": node_health.consuming(node),
            "notes": list(node_health.health(node, jobs=held.get(node.pk, UNUSED).jobs).reasons),
        }
        for node in nodes_now().filter(name__in=names)
    }


@in_any_thread
def drain(name: str, *, mode: str, reason: str, deadline_seconds: float | None = None) -> None:
    """Nothing new for the node of this name, if it ever registered. Raises PoolError."""
    for node in Node.objects.filter(name=name):
        draining.drain(node, mode=mode, reason=reason, deadline_seconds=deadline_seconds)


@in_any_thread
def undrain(name: str) -> None:
    """The node takes work again, if it ever registered. Raises PoolError."""
    for node in Node.objects.filter(name=name):
        draining.undrain(node)


@in_any_thread
def is_empty(name: str) -> bool:
    """Whether no job holds a place on it. Raises PoolError."""
    node = Node.objects.filter(name=name).first()
    return node is None or draining.open_jobs(node.pk) == 0


@in_any_thread
def registered_at(name: str) -> datetime | None:
    """When its agent last came up; None when none ever did, or the last one said goodbye. Raises PoolError."""
    return Node.objects.filter(name=name, agent_id__isnull=False).values_list("registered_at", flat=True).first()


@in_any_thread
def take_back(name: str) -> None:
    """It takes work again, if it is drained only because its pool became smaller. Raises PoolError."""
    pool_draining.keep(name)
