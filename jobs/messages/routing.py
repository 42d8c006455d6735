"""Which Celery queue and which broker priority a placed job gets.

A queue is keyed by hardware, priority class and node. Message priority goes on top: Redis counts 0 as the most urgent
and looks at message priority before queue order, RabbitMQ counts 9 as the most urgent. Both scales are monotone over
the whole range 0-100, so that no message of a lower class is ever taken before one of a higher class.
"""

from dataclasses import dataclass

from scheduling.priorities import CLASSES, NORMAL_FROM, URGENT_FROM, class_of

HARDWARE = ("gpu", "cpu")
CONTROL_QUEUE = "control"
MOST_URGENT_FIRST = frozenset({"redis", "rediss", "sentinel"})
"""Transports on which 0 is the most urgent message priority."""
TOP = 9


@dataclass(frozen=True, slots=True)
class Route:
    """Where a message goes, and how urgent it is in the broker's own counting."""

    queue: str
    priority: int


def route(*, hardware: str, priority: int, node: str, transport: str) -> Route:
    """The queue and message priority for a job of this priority (0-100) that was placed on `node`."""
    return Route(f"{hardware}.{class_of(priority)}.{node}", broker_priority(priority, transport))


def node_queues(node: str) -> list[str]:
    """The queues that a node's agent consumes, most urgent first: their order is configuration."""
    return [f"{hardware}.{name}.{node}" for name in CLASSES for hardware in HARDWARE]


def broker_priority(priority: int, transport: str) -> int:
    """0-100 as a message priority: urgent fills 0-2, normal 3-6, background 7-9; mirrored where 9 is the top."""
    if priority >= URGENT_FROM:
        level = 2 - (priority - URGENT_FROM) * 3 // (101 - URGENT_FROM)
    elif priority >= NORMAL_FROM:
        level = 6 - (priority - NORMAL_FROM) * 4 // (URGENT_FROM - NORMAL_FROM)
    else:
        level = TOP - priority * 3 // NORMAL_FROM
    return level if transport in MOST_URGENT_FIRST else TOP - level


def transport_of(broker_url: str) -> str:
    return broker_url.partition("://")[0]
