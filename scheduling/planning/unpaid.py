"""Why budgets do not pay for jobs, as they are at the end of a pass."""

from typing import TypeAlias

from scheduling.planning.cycle_state import PassState
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.reasons import Reason
from scheduling.resources import Request
from scheduling.sharing.budget_reasons import budget_reason, longest_paid
from scheduling.snapshot import WaitingJob

Kind: TypeAlias = tuple[str, Request, float, int | None]
"""Jobs for which the same money is missing: of one project, for one request and limit; who has something kept stands alone."""


class UnpaidReasons:
    """Each is worked out once for all jobs that it is true of."""

    def __init__(self, work: PassState) -> None:
        self._work = work
        self._known: dict[Kind, tuple[Reason, ...]] = {}

    def of(self, job: WaitingJob, alike: SchedulingClass) -> tuple[Reason, ...]:
        """A reason for each budget and period that cannot pay for the job now; none if all can."""
        budgets = self._work.budgets
        if budgets is None or not self._work.is_unpaid(job, alike):
            return ()
        length = self._work.limit(job)
        kind = (job.project, job.request, length, job.id if budgets.keeps(job.id) else None)
        found = self._known.get(kind)
        if found is None:
            longest = longest_paid(lambda limit: budgets.pays(job.id, job.project, job.request, limit), length)
            lacks = budgets.lacks(job.id, job.project, job.request, length)
            found = self._known[kind] = tuple(budget_reason(lack, longest) for lack in lacks)
        return found
