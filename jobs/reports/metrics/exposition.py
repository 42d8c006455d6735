"""All of it, in the order of `docs/metrics.txt`."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from jobs.reports.metrics import books, clusters, machines, money, open_jobs, planner, providers, so_far, waiting

FAMILIES = (
    open_jobs.jobs,
    waiting.waits,
    so_far.so_far,
    planner.cycles,
    planner.preemptions,
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
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Yard())
    return generate_latest(registry)


class _Yard(Collector):
    def describe(self) -> Iterable[Metric]:
        """Nothing is collected before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        for families in FAMILIES:
            yield from families()
