"""What strategies are told that go by more than what is free: prices, learned speeds, and which nodes failed of late.

Under all others nothing of this is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

from jobs.models.planning import RunTimeHistory
from jobs.models.queries import rows
from jobs.planning.budgets import FAR_AHEAD
from jobs.planning.run_times import speed_kind, traits_of
from quotas.costs import prices
from scheduling.failures.retry import RetryBudget, reasons_that
from scheduling.placement import strategy
from scheduling.price_list import Price
from scheduling.resources import Request
from scheduling.snapshot import NodeView, RunningJob, WaitingJob
from scheduling.speeds import ALL_KINDS, NOTHING_LEARNED, Speeds

LATE_DAYS = 7
FAILURES = """
    SELECT node.name, count(placement.id) + node.suspicions
    FROM workers_node AS node
    LEFT JOIN jobs_placement AS placement ON placement.node_id = node.id AND placement.end_reason = ANY(%s)
        AND placement.end_reason NOT IN ('', 'completed')
        AND placement.closed_at > greatest(statement_timestamp() - make_interval(days => %s), node.forgiven_at)
    WHERE node.removed_at IS NULL
    GROUP BY node.id HAVING count(placement.id) + node.suspicions > 0
"""


@dataclass(frozen=True, slots=True)
class PlacementFacts:
    """The nodes with what failed there, the prices from now on, and the speeds that count for these jobs."""

    nodes: tuple[NodeView, ...]
    prices: tuple[Price, ...] = ()
    speeds: Speeds = NOTHING_LEARNED


def read(
    waiting: Iterable[WaitingJob], running: Sequence[RunningJob], nodes: tuple[NodeView, ...], now: float, name: str
) -> PlacementFacts:
    """All of it, if the strategy of that `name`, the platform's, goes by it."""
    if not goes_by_job(name):
        return PlacementFacts(nodes)
    first = datetime.fromtimestamp(min((one.holds_since or now for one in running), default=now), UTC)
    kinds = {job.kind for job in waiting} | {job.kind for job in running}
    return PlacementFacts(_with_failures(nodes), tuple(prices.valid_within(first, first + FAR_AHEAD)), speeds_of(kinds))


@cache
def goes_by_job(name: str) -> bool:
    """Whether the strategy of that name looks at more than a job's request."""
    return strategy(name).goes_by_job


def kind_of(project: str, owner: str, name: str, request: Request) -> str:
    """What the job has in common with those that run as fast."""
    return speed_kind(traits_of(project, owner, name, request, None))


def speeds_of(kinds: Iterable[str]) -> Speeds:
    """What was learned of these kinds, and of all together."""
    keys = {*kinds, speed_kind(None)}
    found: Mapping[str, list[list[str | int | float]]] = dict(
        RunTimeHistory.objects.filter(pk__in=keys).values_list("key", "data")
    )
    return Speeds.from_data({(ALL_KINDS if key == speed_kind(None) else key): data for key, data in found.items()})


def _with_failures(nodes: Sequence[NodeView]) -> tuple[NodeView, ...]:
    failed = dict(rows(FAILURES, sorted(reasons_that(payer=RetryBudget.PLATFORM)), LATE_DAYS))
    return tuple(replace(node, failures=failed[node.name]) if node.name in failed else node for node in nodes)
