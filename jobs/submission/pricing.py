"""What a job is expected to cost, as it is submitted: by its run time, as far as anybody knows, and today's prices."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import islice

from jobs.models import Job
from quotas.costs import prices
from scheduling.nodes.feasibility import could_hold, suitable
from scheduling.resources import Request, ordered_labels
from scheduling.run_times import expected_within
from scheduling.sharing.prices import Holding, Price, Target, hourly, rounded, terms_of
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


def dearest(request: Request, nodes: Iterable[NodeView], known: Sequence[Price]) -> Fraction | None:
    """An hour of it on all its nodes, wherever it costs most: nobody knows yet where it goes, and no bill may surprise."""
    named = {price.name for price in known if price.target == Target.NODE}
    kinds = {_kind(node, named): node for node in nodes if could_hold(request, node)}
    holdings = [_on_node(request, node) for node in kinds.values()] or [_anywhere(request)]
    rates = [rate for holding in holdings if (rate := hourly(holding, known)) is not None]
    return max(rates) * request.nodes if rates else None


def request_of(job: Job) -> Request:
    labels = ordered_labels(job.node_labels)
    return Request(job.cpus, job.memory_mb, job.gpus, job.gpu_memory_mb, job.gpu_model, job.nodes, labels)


def _estimate(rate: Fraction, predicted: float | None, estimated: float | None, limit: float | None) -> CostEstimate:
    known = ((predicted, PREDICTED), (estimated, ESTIMATED), (limit, LIMIT))
    seconds, basis = next(((seconds, basis) for seconds, basis in known if seconds), (HOUR, PER_HOUR))
    within = expected_within(float(limit or seconds), seconds)
    return CostEstimate(rounded(rate * Fraction(within) / HOUR, SHOWN_PLACES), basis)


def _kind(node: NodeView, named: set[str]) -> object:
    """Equal for nodes on which the same costs the same."""
    name = node.name if node.name in named else ""
    return name, terms_of(node.labels), node.cpus, node.memory_mb, node.gpus


def _on_node(request: Request, node: NodeView) -> Holding:
    node_type, capacity = terms_of(node.labels)
    gpus = Counter(gpu.model for gpu in islice(suitable(request, node.gpus), request.gpus))
    return Holding(
        cpus=request.cpus,
        memory_mb=request.memory_mb,
        gpus=gpus,
        node=node.name,
        node_type=node_type,
        capacity=capacity,
        node_cpus=node.cpus,
        node_memory_mb=node.memory_mb,
        node_gpus=len(node.gpus),
    )


def _anywhere(request: Request) -> Holding:
    """On a node that is not there yet."""
    gpus = {request.gpu_model: request.gpus} if request.gpus else {}
    return Holding(cpus=request.cpus, memory_mb=request.memory_mb, gpus=gpus)
