"""How much more the budgets that refuse a job would have to allow for it to start now: tried on the plan of all that wait."""

from dataclasses import replace
from decimal import Decimal

from scheduling.forecast.whatif import Change
from scheduling.plan_result import Plan
from scheduling.planning.plan import starts_now
from scheduling.reasons import Reason, ReasonCode, listed
from scheduling.sharing.budget_reasons import spell_amount
from scheduling.sharing.rates import MILLION
from scheduling.snapshot import Snapshot, WaitingJob


def raised_budgets(snapshot: Snapshot, now: float, job: WaitingJob, plan: Plan) -> tuple[Change, ...]:
    """The smallest raise of the budgets on the job's way up that would start it now, if they alone keep it."""
    reasons = next((wait.reasons for wait in plan.waits if wait.job_id == job.id), ())
    if not reasons or any(one.code != ReasonCode.BUDGET for one in reasons):
        return ()
    enough: dict[object, int] = {}
    for one in reasons:
        enough[one.budget["id"]] = max(_enough(one), enough.get(one.budget["id"], 0))
    budgets = tuple(replace(one, amount=enough.get(one.id, one.amount)) for one in snapshot.budgets)
    if not starts_now(replace(snapshot, budgets=budgets), now, job.id):
        return ()
    raised = [(old, new) for old, new in zip(snapshot.budgets, budgets, strict=True) if old.amount != new.amount]
    told = listed(
        f"the budget of project {new.project} allowed {spell_amount(new, new.amount)} "
        f"instead of {spell_amount(old, old.amount)}"
        for old, new in raised
    )
    before, after = (
        {str(one.id): f"{Decimal(one.amount) / MILLION:f}" for one in side} for side in zip(*raised, strict=True)
    )
    return (Change("budget", before, after, f"If {told}, it would start now."),)


def _enough(reason: Reason) -> int:
    return int(Decimal(str(reason.budget["would_start_with"])) * MILLION)
