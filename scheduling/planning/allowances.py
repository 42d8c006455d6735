"""What a job may use depends on how long it may run: what budgets pay for, and what quotas let run ahead."""

from collections.abc import Callable

from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.sharing.ahead.room import NEVER, AheadRoom
from scheduling.sharing.budget_reasons import longest_paid
from scheduling.sharing.budgets import BudgetRoom
from scheduling.snapshot import Snapshot, WaitingJob


class Allowances:
    """Of one pass. Who is refused by them takes no place in the line, and nobody is stopped for him.

    What is refused now is refused until the end of the pass: there is only ever less.
    """

    def __init__(self, snapshot: Snapshot, now: float, limit: Callable[[WaitingJob], float]) -> None:
        self.budgets = BudgetRoom.of(snapshot, now)
        self.ahead = AheadRoom.of(snapshot, now)
        self._limit = limit
        self.apply = self.budgets is not None or self.ahead is not None

    def refuse(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether the job has to wait for them."""
        return self.apply and (self.is_unpaid(job, alike) or self.is_too_far_ahead(job, alike))

    def is_unpaid(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether a hard budget cannot pay for the job now."""
        if self.budgets is None or not self.budgets.over(job.project):
            return False
        length, own = self._limit(job), self.budgets.keeps(job.id)
        if length >= alike.too_dear and not own:
            return True
        if self.budgets.pays(job.id, job.project, alike.request, length):
            return False
        if not own:
            alike.too_dear = length
        return True

    def is_too_far_ahead(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether a quota on GPU time ahead is too small for it beside what runs, or for those for whom that is kept."""
        if self.ahead is None or not self.ahead.over(job):
            return False
        length, own = self.time_ahead(job), self.ahead.keeps(job.id)
        if length >= alike.too_far_ahead and not own:
            return True
        if self.ahead.allows(job, length):
            return False
        if not own:
            alike.too_far_ahead = length
        return True

    @property
    def next_at(self) -> float | None:
        """When somebody starts who waits for nothing but that what runs uses up its time."""
        return None if self.ahead is None else self.ahead.next_at

    def wake_at(self, moment: float) -> None:
        if self.ahead is not None:
            self.ahead.wake_at(moment)

    def time_ahead(self, job: WaitingJob) -> float:
        """Its limit; of one without a limit nobody knows how much it will use."""
        return self._limit(job) if job.max_runtime_seconds else NEVER

    def longest(self, job: WaitingJob, alike: SchedulingClass) -> int | None:
        """The longest limit, in whole seconds, with which nothing would refuse it now; None if it is not refused, or by any."""
        if not self.refuse(job, alike):
            return None
        return longest_paid(lambda limit: self._allow(job, limit), self._limit(job))

    def _allow(self, job: WaitingJob, limit: int) -> bool:
        paid = self.budgets is None or self.budgets.pays(job.id, job.project, job.request, limit)
        return paid and (self.ahead is None or self.ahead.allows(job, limit))

    def earliest(self, job: WaitingJob, after: float) -> float:
        """From when on what is ahead leaves enough for the job."""
        return after if self.ahead is None else self.ahead.earliest(job, self.time_ahead(job), after)

    def started(self, job: WaitingJob) -> None:
        if self.budgets is not None:
            self.budgets.started(job.id, job.project, job.request, self._limit(job))
        if self.ahead is not None:
            self.ahead.started(job, self.time_ahead(job))

    def keep(self, job: WaitingJob, start: float) -> None:
        """Keep what the job needs, as it is promised to start then."""
        if self.budgets is not None:
            self.budgets.keep(job.id, job.project, job.request, start, self._limit(job))
        if self.ahead is not None:
            self.ahead.keep(job, start, self.time_ahead(job))

    def keep_later(self, job: WaitingJob) -> None:
        """Keep it of the first periods that can pay for the job, and from the first moment at which enough is left ahead."""
        if self.budgets is not None:
            self.budgets.keep_later(job.id, job.project, job.request, self._limit(job))
        if self.ahead is not None:
            self.ahead.keep_later(job, self.time_ahead(job))
