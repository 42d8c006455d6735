"""Whether a capped token pays for what is submitted with it: its GPUs at once, and its money over some days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.db.models import Q, Sum

from jobs.models import CappedJob, Job, TokenCaps
from jobs.models.job import ENDED
from jobs.submission.job_spec import JobSpec
from quotas.costs import prices
from quotas.costs.rows import LedgerTransaction
from scheduling.errors import FieldError
from scheduling.sharing.prices import PLACES, rounded
from scheduling.sharing.rates import HOUR, dearest
from scheduling.snapshot import NodeView


@dataclass(frozen=True, slots=True)
class Used:
    """What the jobs of a token hold of its caps: those that are not over up to their limits, the others as they cost."""

    gpus: int
    cost: Decimal


def locked(caps: TokenCaps) -> TokenCaps:
    """Submissions with the same capped token go one after another, so that two cannot both take what is left."""
    return TokenCaps.objects.select_for_update().get(pk=caps.pk)


def faults(caps: TokenCaps, specs: Sequence[JobSpec], nodes: Sequence[NodeView], now: datetime) -> list[FieldError]:
    """What of these jobs the token does not pay for, if all of them are submitted."""
    used = used_of(caps, now)
    found = [] if caps.max_gpus is None else _gpu_faults(caps.max_gpus, used.gpus, specs)
    return found if caps.max_cost is None else found + _cost_faults(caps.max_cost, used.cost, specs, nodes)


def edit_faults(
    caps: TokenCaps, job: int, before: JobSpec, after: JobSpec, nodes: Sequence[NodeView], now: datetime
) -> list[FieldError]:
    """What the token does not pay for if this job of its own becomes another one. To ask for less is never refused."""
    used = used_of(caps, now, but=job)
    found: list[FieldError] = []
    if caps.max_gpus is not None and after.gpus * after.nodes > before.gpus * before.nodes:
        found += _gpu_faults(caps.max_gpus, used.gpus, [after])
    if caps.max_cost is not None:
        then, now_costs = most_costs([after, before], nodes)
        if then is None or now_costs is None or then > now_costs:
            found += _cost_faults(caps.max_cost, used.cost, [after], nodes)
    return found


def used_of(caps: TokenCaps, now: datetime, *, but: int | None = None) -> Used:
    """What is used of them now; `but` leaves a job out."""
    open_now = set(
        Job.objects.filter(pk__in=caps.jobs.values("job")).exclude(state__in=ENDED).values_list("pk", flat=True)
    )
    since = Q() if caps.cost_days is None else Q(submitted_at__gte=now - timedelta(days=caps.cost_days))
    counted = caps.jobs.filter(since | Q(job__in=open_now)).exclude(job__in=[] if but is None else [but])
    rows = counted.values_list("job", "gpus", "most_cost")
    gpus, committed = 0, Decimal(0)
    over = []
    for job, held, most in rows:
        if job not in open_now:
            over.append(job)
            continue
        gpus += held
        committed += most or 0
    return Used(gpus, committed + _settled(over))


def note(caps: TokenCaps, jobs: Sequence[Job], specs: Sequence[JobSpec], nodes: Sequence[NodeView]) -> None:
    """Write down that these jobs are the token's."""
    costs = most_costs(specs, nodes)
    CappedJob.objects.bulk_create(
        CappedJob(job=job.pk, caps=caps, gpus=spec.gpus * spec.nodes, most_cost=cost)
        for job, spec, cost in zip(jobs, specs, costs, strict=True)
    )


def most_costs(specs: Sequence[JobSpec], nodes: Sequence[NodeView]) -> list[Decimal | None]:
    """What each costs where it costs most, if each of its attempts runs up to the limit; None: no price, or no limit."""
    known = prices.valid_now()
    costs: list[Decimal | None] = []
    for spec in specs:
        rate = dearest(spec.request, nodes, known) if known and spec.max_runtime_seconds else None
        seconds = (spec.max_runtime_seconds or 0) * (spec.max_retries + 1)
        costs.append(None if rate is None else rounded(rate * Fraction(seconds, HOUR), PLACES))
    return costs


def _gpu_faults(most: int, held: int, specs: Sequence[JobSpec]) -> list[FieldError]:
    asked = sum(spec.gpus * spec.nodes for spec in specs)
    if held + asked <= most:
        return []
    words = (
        f"This token may have {most} GPUs at once in jobs that are not over; it has {held}, and this asks for {asked}."
    )
    return [FieldError("resources.gpus", words, "token_cap")]


def _cost_faults(
    most: Decimal, spent: Decimal, specs: Sequence[JobSpec], nodes: Sequence[NodeView]
) -> list[FieldError]:
    if any(spec.max_runtime_seconds is None for spec in specs):
        return [FieldError("max_runtime_seconds", "With a token whose cost is capped each job needs one.", "required")]
    costs = most_costs(specs, nodes)
    if None in costs:
        words = "What this asks for has no price, and the cost of this token is capped: ask an operator to set one."
        return [FieldError("resources", words, "token_cap")]
    asked = sum((cost for cost in costs if cost is not None), Decimal(0))
    if spent + asked <= most:
        return []
    words = (
        f"This token may spend {most:f}; {spent:f} of it are spent or promised, and this may cost {asked:f} within its "
        "limit. Set a shorter limit, or ask for less."
    )
    return [FieldError("max_runtime_seconds", words, "token_cap")]


def _settled(jobs: Sequence[int]) -> Decimal:
    total: Decimal | None = LedgerTransaction.objects.filter(job__in=jobs).aggregate(total=Sum("cost"))["total"]
    return total or Decimal(0)
