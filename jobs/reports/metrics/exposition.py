"""All of it, in the order of `docs/metrics.txt`."""

from collections.abc import Iterable

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from jobs.reports.metrics import books, clusters, machines, money, open_jobs, planner, providers, so_far, waiting
from jobs.reports.metrics.families import Family, Table

FAMILIES = (
    open_jobs.jobs,
    waiting.waits,
    so_far.so_far,
    planner.cycles,
    planner.floor,
    planner.start_predictions,
    planner.run_time_predictions,
    machines.machines,
    machines.idle_gpus,
    clusters.clusters,
    providers.providers,
    money.costs,
    money.budgets,
    books.usage,
    books.audits,
)


def exposition() -> bytes:
    """Everything, in Prometheus' text format."""
    return "".join(_as_text(family) for families in FAMILIES for family in families()).encode()


def _as_text(family: Family) -> str:
    if isinstance(family, Table):
        return family.as_text()
    return generate_latest(_Alone(family)).decode()


class _Alone(Collector):
    """One family, which the client writes."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)
