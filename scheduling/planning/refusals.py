"""Why queues, quotas and nodes refuse jobs, and budgets do not pay for them, as they are at the end of a pass."""

from typing import TypeAlias

from scheduling.planning.cycle_state import PassState
from scheduling.planning.eligibility import queue_holds
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.planning.unschedulable import Explanations
from scheduling.reasons import Reason, ReasonCode
from scheduling.resources import Request
from scheduling.sharing.admission import ForGood
from scheduling.sharing.ahead.reasons import ahead_reasons
from scheduling.sharing.budget_reasons import budget_reason, longest_paid
from scheduling.sharing.holders import Holder, Holders, Shown
from scheduling.sharing.ledger import Levels
from scheduling.sharing.model_quotas import ModelChoice
from scheduling.sharing.quota_refusals import QuotaRefusals
from scheduling.snapshot import QueueView, Snapshot, WaitingJob

REFUSALS = frozenset({ReasonCode.QUOTA, ReasonCode.QUEUE_LIMIT, ReasonCode.WORKLOAD_LIMIT})
Kind: TypeAlias = tuple[str, Request, float, int | None]
"""Jobs for which the same money is missing: of one project, for one request and limit; who has something kept stands alone."""


class Refusals:
    """What keeps jobs from starting whatever their turn. Each reason is worked out once, for all who are told the same."""

    def __init__(self, work: PassState, snapshot: Snapshot, explanations: Explanations) -> None:
        self._work = work
        self._explanations = explanations
        self._snapshot = snapshot
        self._holders: Holders | None = None
        self._of_queues: dict[str, tuple[Reason, ...]] = {}
        for_good = ForGood(work.never, work.cohorts)
        self._of_quotas = QuotaRefusals(work.usage, work.cohorts, self._holders_of, for_good.endings)
        self._room: dict[Request, bool] = {}

    def of(self, alike: SchedulingClass) -> tuple[Reason, ...]:
        """None if only what is kept for others keeps such jobs."""
        if alike.reasons is None:
            limits = (*self._of_queue(alike.queue), *self._of_quota(alike))
            fits = self._fits(alike.request)
            nowhere = () if fits else self._explanations.why_nowhere(alike.request)
            if alike.choice is not None and fits and self._is_nowhere_within(alike, alike.choice):
                limits, fits = (*limits, *self._of_models(alike.choice)), False
            alike.over_limit = any(one.code in REFUSALS for one in limits)
            # What is kept in quotas is no matter to who has no room there: only what is kept on nodes.
            alike.minds_kept = fits and (not alike.over_limit or bool(alike.windows) or self._work.book.keeps_room)
            alike.reasons = (*limits, *nowhere)
        return alike.reasons

    def _of_queue(self, queue: QueueView) -> tuple[Reason, ...]:
        found = self._of_queues.get(queue.name)
        if found is None:
            holds = queue_holds(queue, self._work.running_in(queue.name))
            found = self._of_queues[queue.name] = tuple(map(self._named_in, holds))
        return found

    def _of_quota(self, alike: SchedulingClass) -> tuple[Reason, ...]:
        if not (alike.chain or alike.has_parts):
            return ()
        found = self._of_quotas.of(alike.request.total, Levels(alike.chain, alike.parts), firm=alike.firm)
        if alike.choice is None or not alike.choice.refuses(self._work.usage):
            return found
        return (*found, *self._of_models(alike.choice))

    def _is_nowhere_within(self, alike: SchedulingClass, choice: ModelChoice) -> bool:
        """Whether quotas by GPU model let it in, but where they do there is no room."""
        return not (choice.refuses(self._work.usage) or self._work.within_models(alike))

    def _of_models(self, choice: ModelChoice) -> tuple[Reason, ...]:
        """Of each quota by GPU model that would not let all of such a job in."""
        return tuple(map(self._named_in, choice.reasons(self._work.usage)))

    def _fits(self, request: Request) -> bool:
        found = self._room.get(request)
        if found is None:
            found = self._room[request] = self._work.fits_now(request)
        return found

    def _holders_of(self, level: str, names: tuple[str, ...]) -> Shown:
        return self._all_holders().of_quota(level, names)

    def _named_in(self, reason: Reason) -> Reason:
        """The reason with those who hold what it speaks of."""
        return self._all_holders().named_in(reason)

    def _all_holders(self) -> Holders:
        """Those included who were placed in this pass."""
        if self._holders is None:
            parts, placed = self._work.parts, zip(self._work.started, self._work.placements, strict=True)
            run = [Holder.of(job, parts(job, job.shares)) for job in self._snapshot.running]
            new = [Holder.placed(job, parts(job, one.shares)) for job, one in placed]
            self._holders = Holders((*run, *new), {one.slug: one for one in self._snapshot.projects})
        return self._holders


class PutOffReasons:
    """Why budgets do not pay for a job now, and quotas on GPU time ahead refuse it. Each is worked out once for all jobs that it is true of."""

    def __init__(self, work: PassState) -> None:
        self._allowances = work.allowances
        self._limit = work.limit
        self._known: dict[Kind, tuple[Reason, ...]] = {}
        self._ahead: dict[tuple[object, ...], tuple[Reason, ...]] = {}

    def of(self, job: WaitingJob, alike: SchedulingClass) -> tuple[Reason, ...]:
        """A reason for each budget and period, and for each level of the tree; none if all allow it."""
        return (*self.unpaid(job, alike), *self._too_far_ahead(job, alike))

    def unpaid(self, job: WaitingJob, alike: SchedulingClass) -> tuple[Reason, ...]:
        budgets = self._allowances.budgets
        if budgets is None or not self._allowances.is_unpaid(job, alike):
            return ()
        length = self._limit(job)
        kind = (job.project, job.request, length, job.id if budgets.keeps(job.id) else None)
        found = self._known.get(kind)
        if found is None:
            longest = longest_paid(lambda limit: budgets.pays(job.id, job.project, job.request, limit), length)
            lacks = budgets.lacks(job.id, job.project, job.request, length)
            found = self._known[kind] = tuple(budget_reason(lack, longest) for lack in lacks)
        return found

    def _too_far_ahead(self, job: WaitingJob, alike: SchedulingClass) -> tuple[Reason, ...]:
        ahead = self._allowances.ahead
        if ahead is None or not self._allowances.is_too_far_ahead(job, alike):
            return ()
        limit = self._allowances.time_ahead(job)
        own = job.id if ahead.keeps(job.id) else None
        kind = (job.project, job.queue, job.owner, job.request, limit, own)
        found = self._ahead.get(kind)
        if found is None:
            found = self._ahead[kind] = ahead_reasons(ahead, job, limit, self._limit(job))
        return found
