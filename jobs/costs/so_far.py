"""What jobs have cost: what was settled, less what was given back, and what has come together so far of what runs."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from jobs.models import Job
from jobs.models.clock import database_now
from jobs.models.queries import rows
from quotas.costs import prices
from scheduling.sharing.prices import Holding, cost, rounded

SETTLED = "SELECT job, sum(cost) FROM quotas_ledgertransaction WHERE job = ANY(%s) GROUP BY job"
# The holds of what is open, by the few open placements; whoever has no ledger finds none.
RUNNING = """
    SELECT held.job, held.project, held.holding::text, held.held_from
    FROM jobs_placement AS placement
    JOIN quotas_ledgertransaction AS held ON held.placement = placement.id AND held.kind = 'hold'
    WHERE placement.closed_at IS NULL
"""
OF_JOBS = RUNNING + " AND held.job = ANY(%s)"
OF_PROJECTS = RUNNING + " AND held.project = ANY(%s)"


class Running(NamedTuple):
    """An open placement that costs something."""

    job: int
    project: int
    holding: Holding
    since: datetime


def cost_of(jobs: Iterable[Job]) -> dict[int, Decimal]:
    """Of those of `jobs` that have cost anything, or are about to."""
    tried = [job.pk for job in jobs if job.attempt]
    settled: dict[int, Decimal] = dict(rows(SETTLED, tried)) if tried else {}
    if not settled:
        return {}
    accrued = _accrued([_running(*row) for row in rows(OF_JOBS, tried)])
    return {job: amount + rounded(accrued[job]) for job, amount in settled.items()}


def accrued_in(projects: Sequence[int]) -> Decimal:
    """What all that runs in these projects has cost so far and is not settled."""
    found = [_running(*row) for row in rows(OF_PROJECTS, list(projects))]
    return rounded(sum(_accrued(found).values(), Fraction(0)))


def _running(job: int, project: int, holding: str, since: datetime) -> Running:
    return Running(job, project, Holding(**json.loads(holding)), since)


def _accrued(running: Sequence[Running]) -> defaultdict[int, Fraction]:
    """By job, until now."""
    sums: defaultdict[int, Fraction] = defaultdict(Fraction)
    if running:
        now = database_now()
        known = prices.valid_within(min(one.since for one in running), now)
        for one in running:
            sums[one.job] += cost(one.holding, one.since, now, known)
    return sums
