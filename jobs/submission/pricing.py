"""What a job is expected to cost, as it is submitted: by its run time, as far as anybody knows, and today's prices."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache

from jobs.models import Job
from quotas.costs import prices
from scheduling.resources import Request, ordered_labels
from scheduling.run_times import expected_within
from scheduling.sharing.prices import rounded
from scheduling.sharing.rates import dearest
from scheduling.snapshot import NodeView

SHOWN_PLACES = 4
HOUR = 3_600
PREDICTED, ESTIMATED, LIMIT, PER_HOUR = BASES = ("predicted", "estimated", "limit", "hour")


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a job is expected to cost, and by which run time; without a known one what an hour of it costs."""

    cost: Decimal
    basis: str


def estimate_all(jobs: Sequence[Job], nodes: Sequence[NodeView]) -> None:
    """Write down on these jobs, which are not saved yet, what each is expected to cost. Nothing where nothing has a price."""
    known = prices.valid_now()
    if not known:
        return
    rate_of = cache(lambda request: dearest(request, nodes, known))
    for job in jobs:
        rate = rate_of(request_of(job))
        if rate is not None:
            run_times = (job.predicted_runtime_seconds, job.estimated_runtime_seconds, job.max_runtime_seconds)
            found = _estimate(rate, *run_times)
            job.estimated_cost, job.cost_basis = found.cost, found.basis


def estimate(
    request: Request, nodes: Sequence[NodeView], *, predicted: float | None, estimated: int | None, limit: int | None
) -> CostEstimate | None:
    """What a job of this request would cost; None: nothing of it has a price."""
    known = prices.valid_now()
    rate = dearest(request, nodes, known) if known else None
    return None if rate is None else _estimate(rate, predicted, estimated, limit)


def request_of(job: Job) -> Request:
    labels = ordered_labels({**job.node_labels, **job.environment_labels})
    return Request(job.cpus, job.memory_mb, job.gpus, job.gpu_memory_mb, job.gpu_model, job.nodes, labels)


def _estimate(rate: Fraction, predicted: float | None, estimated: float | None, limit: float | None) -> CostEstimate:
    known = ((predicted, PREDICTED), (estimated, ESTIMATED), (limit, LIMIT))
    seconds, basis = next(((seconds, basis) for seconds, basis in known if seconds), (HOUR, PER_HOUR))
    within = expected_within(float(limit or seconds), seconds)
    return CostEstimate(rounded(rate * Fraction(within) / HOUR, SHOWN_PLACES), basis)
