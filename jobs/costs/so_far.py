"""What jobs have cost: what was settled, less what was given back, and what has come together so far of what runs."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from decimal import Decimal
from fractions import Fraction

from django.db.models import QuerySet, Sum

from jobs.models import Job, Placement
from jobs.models.queries import named_rows
from quotas.clock import database_now
from quotas.costs import ledger, prices
from quotas.costs.ledger import Account, Kind
from quotas.costs.reports import Scope
from quotas.costs.rows import LedgerEntry, LedgerTransaction
from scheduling.sharing.prices import cost, rounded

BOOKED = """
    SELECT job.workload_id, sum(booked.cost)
    FROM jobs_job AS job JOIN quotas_ledgertransaction AS booked ON booked.job = job.id
    WHERE job.workload_id = ANY(%(ids)s) AND job.attempt > 0
    GROUP BY job.workload_id
"""


def cost_of(jobs: Iterable[Job]) -> dict[int, Decimal]:
    """Of those of `jobs` that have cost anything, or are about to."""
    tried = [job.pk for job in jobs if job.attempt]
    if not tried:
        return {}
    booked = LedgerTransaction.objects.filter(job__in=tried).order_by()
    settled: dict[int, Decimal] = dict(booked.values_list("job").annotate(Sum("cost")))
    if not settled:
        return {}
    accrued = _accrued(_on_hold().filter(job__in=tried))
    return {job: amount + rounded(accrued[job]) for job, amount in settled.items()}


def accrued_in(scope: Scope) -> Decimal:
    """What all that runs there has cost so far; it is settled when it ends."""
    return rounded(sum(_accrued(scope.of(_on_hold())).values(), Fraction(0)))


def lines_on_hold() -> QuerySet[LedgerEntry]:
    """What is set aside for all that runs."""
    return LedgerEntry.objects.filter(transaction__in=_on_hold(), account=Account.HOLD)


def _on_hold() -> QuerySet[LedgerTransaction]:
    """What was set aside for placements that are open: those are few, and nothing is looked for beyond them."""
    open_now = Placement.objects.filter(closed_at__isnull=True)
    return LedgerTransaction.objects.filter(kind=Kind.HOLD, placement__in=open_now.values("pk"))


def _accrued(on_hold: QuerySet[LedgerTransaction]) -> defaultdict[int, Fraction]:
    """By job, until now."""
    running = [ledger.held_of(row) for row in on_hold]
    sums: defaultdict[int, Fraction] = defaultdict(Fraction)
    if running:
        now = database_now()
        known = prices.valid_within(min(one.held_from for one in running), now)
        for one in running:
            sums[one.job] += cost(one.holding, one.held_from, now, known)
    return sums


def cost_of_workloads(ids: Collection[int]) -> dict[int, Decimal]:
    """Of those of these workloads whose jobs have cost anything, or are about to."""
    tried = Job.objects.filter(workload__in=list(ids), attempt__gt=0)
    booked: dict[int, Decimal] = dict(named_rows(BOOKED, ids=list(ids)))
    if not booked:
        return {}
    accrued = _accrued(_on_hold().filter(job__in=tried.values("pk")))
    for job, workload in tried.filter(pk__in=list(accrued)).values_list("pk", "workload"):
        booked[workload] += rounded(accrued[job])
    return booked
