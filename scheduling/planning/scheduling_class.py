"""Jobs that are alike, and requests of one kind: what refuses one of them refuses the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeAlias

from scheduling.nodes.profile import FOREVER
from scheduling.placement.own_first import Kept
from scheduling.planning.reservations import Windows
from scheduling.reasons import Reason
from scheduling.resources import ZERO, Request
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.ledger import Check, Ledger, Levels
from scheduling.sharing.model_quotas import ModelChoice, ModelQuota, Shares
from scheduling.sharing.quota_profile import NOTHING, Count, Part, limit_of, of_gpus
from scheduling.sharing.quota_refusals import quota_refusals
from scheduling.sharing.quota_room import Limits
from scheduling.sharing.quotas import Usage, lets_in
from scheduling.sharing.shortages import Shortages
from scheduling.snapshot import ProjectView, QueueView, WaitingJob

Used: TypeAlias = Mapping[str, Usage] | None
"""What projects and parts of them hold; None: as it is."""


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
    checks: tuple[Check, ...] = ()  # as long as there is room for all that it asks for there, no quota refuses it
    own: Kept = ()  # the nodes that are kept for it, and when
    avoided: frozenset[str] = frozenset()  # nodes that are closed to them because they failed there
    firm: bool = False  # they may not be stopped again, and so borrow no quota, where others of their project may
    borrows: bool = False  # one more of them would hold more than nominal quota
    refused: bool = False
    hopeless: bool = False  # refused, or no room for it now
    fits: bool = True  # whether there is room at the end of the pass, kept for others or not; known with the reasons
    limited: bool = True  # whether its queue or a quota may refuse it
    parts: tuple[Part, ...] = ()  # beside `chain`: of its user, and of a model that it gets GPUs of wherever it runs
    choice: ModelChoice | None = None  # where quotas by GPU model depend on the nodes that it gets
    too_long: float = FOREVER
    too_long_in_quota: float = FOREVER  # the same inside a quota: it would delay those for whom that is kept
    too_dear: float = FOREVER  # the shortest time that its budgets do not pay for now
    too_far_ahead: float = FOREVER  # the shortest time that its quotas on GPU time ahead do not allow now
    too_long_to_come: float = FOREVER  # the same for what will be free once those that leave have gone
    settled: bool = False  # nothing can come of any more of them in this pass
    passed_over: bool = False  # no room is kept in its quotas for any more of them
    reasons: tuple[Reason, ...] | None = None
    over_limit: bool = False  # whether a quota or its queue's limit is among them

    @property
    def levels(self) -> Levels:
        """All that one of them counts in, or may."""
        return Levels(self.chain, self.parts if self.choice is None else (*self.parts, *self.choice.quotas))

    @property
    def has_parts(self) -> bool:
        return bool(self.parts) or self.choice is not None

    def models_at(self, shares: Shares) -> list[tuple[Limits, Count]]:
        """The limits of GPUs by model that one of them counts under once it is placed there, and for how many."""
        models = self.choice.quotas if self.choice is not None else ()
        return [((limit_of(one),), of_gpus(one.held(shares, ZERO).gpus)) for one in models]

    def is_too_much_in_parts(self, usage: Mapping[str, Usage]) -> bool:
        """Whether what its user may hold, or GPUs by model, is too little for one more of them."""
        if not all(lets_in(part, usage, self.request.total) for part in self.parts):
            return True
        return self.choice is not None and self.choice.refuses(usage)

    def refusals(self, usage: Ledger, cohorts: Cohorts | None) -> tuple[Reason, ...]:
        """What quotas have against one more of them."""
        refused = quota_refusals(
            self.request, chain=self.chain, usage=usage, parts=self.parts, cohorts=cohorts, firm=self.firm
        )
        return refused if self.choice is None else (*refused, *self.choice.refusals(usage))

    def shortages(self, usage: Ledger) -> Iterator[tuple[str, Mapping[str, int]]]:
        """The same in numbers: by which level, and what is missing there."""
        for one in Shortages(usage).of(self.request.total, Levels(self.chain, self.parts), firm=self.firm):
            yield one.subject, one.short
        for reason in self.choice.refusals(usage) if self.choice is not None else ():
            yield reason.subject, reason.shortfall

    def place(
        self,
        placing: Callable[..., Shares | None],
        closed: frozenset[str],
        usages: Sequence[Mapping[str, Usage]],
        fits: Callable[[Limits, Count], bool] | None = None,
    ) -> Shares | None:
        """Where `placing` finds room for one of them within quotas by GPU model; `fits`: beside what is kept in them."""
        if self.choice is None:
            return placing(closed=closed)

        def leaves_alone(quota: ModelQuota, members: int) -> bool:
            return fits is None or fits((limit_of(quota),), of_gpus(members * self.request.gpus))

        return self.choice.place(usages, lambda shut: placing(closed=shut), closed, leaves_alone)


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
        request.executor,
    )
