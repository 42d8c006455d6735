"""Jobs that are alike, and requests of one kind: what refuses one of them refuses the others."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from scheduling.nodes.profile import FOREVER
from scheduling.placement.own_first import Kept
from scheduling.planning.reservations import Windows
from scheduling.reasons import Reason
from scheduling.resources import Request
from scheduling.sharing.ledger import Room
from scheduling.sharing.quota_profile import NOTHING, Count
from scheduling.sharing.quota_room import Limits
from scheduling.snapshot import ProjectView, QueueView, WaitingJob


@dataclass(eq=False, slots=True)
class SchedulingClass:
    """Jobs of one queue and one project that ask for the same: what refuses one of them refuses them all.

    Where a project may borrow quota, those that may not be stopped again are a class of their own.

    A refusal stands until the end of the pass, because room and quota only shrink in it. `too_long` is the shortest
    time for which there was room now, but not beside the reservations.
    """

    queue: QueueView
    chain: tuple[ProjectView, ...]
    request: Request
    windows: Windows = field(default_factory=dict)
    limits: Limits = ()  # the quotas and the queue's limit that it counts under
    count: Count = NOTHING  # what it counts for there
    rooms: tuple[Room, ...] = ()  # as long as there is so much room in the ledger of the pass, no quota refuses it
    own: Kept = ()  # the nodes that are kept for it, and when
    avoided: frozenset[str] = frozenset()  # nodes that are closed to them because they failed there
    firm: bool = False  # they may not be stopped again, and so borrow no quota, where others of their project may
    refused: bool = False
    hopeless: bool = False  # refused, or no room for it now
    fits: bool = True  # whether there is room at the end of the pass, kept for others or not; known with the reasons
    limited: bool = True  # whether its queue or a quota may refuse it
    too_long: float = FOREVER
    too_long_in_quota: float = FOREVER  # the same inside a quota: it would delay those for whom that is kept
    too_dear: float = FOREVER  # the shortest time that its budgets do not pay for now
    too_long_to_come: float = FOREVER  # the same for what will be free once those that leave have gone
    settled: bool = False  # nothing can come of any more of them in this pass
    passed_over: bool = False  # no room is kept in its quotas for any more of them
    reasons: tuple[Reason, ...] | None = None
    over_limit: bool = False  # whether a quota or its queue's limit is among them


class Waiting(NamedTuple):
    """A job that was looked at and not placed, what it is alike to, and whether something of its own holds it."""

    job: WaitingJob
    alike: SchedulingClass
    held: bool


new_waiting: Callable[[tuple[WaitingJob, SchedulingClass, bool]], Waiting] = partial(tuple.__new__, Waiting)
"""One of its three parts, at a third of the cost of naming them: a pass makes one for each job that waits."""


class UnschedulableRequests:
    """Requests for which no node has room now: what asks for the same or more need not be looked for."""

    def __init__(self) -> None:
        self._sizes: dict[tuple[object, ...], list[tuple[int, int, int, int]]] = {}

    def add(self, request: Request) -> None:
        self._sizes.setdefault(_kind(request), []).append(
            (request.nodes, request.cpus, request.memory_mb, request.gpus)
        )

    def covers(self, request: Request) -> bool:
        """Whether one like it, and no larger, was refused."""
        sizes = self._sizes.get(_kind(request)) if self._sizes else None
        return sizes is not None and any(
            nodes <= request.nodes and cpus <= request.cpus and memory_mb <= request.memory_mb and gpus <= request.gpus
            for nodes, cpus, memory_mb, gpus in sizes
        )


def _kind(request: Request) -> tuple[object, ...]:
    """Requests of one kind differ in size only."""
    return (
        bool(request.gpus),
        request.gpu_model,
        request.gpu_memory_mb,
        request.gpu_milli,
        request.labels,
    )
