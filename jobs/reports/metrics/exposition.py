"""All of it, in the order of `docs/metrics.txt`."""

from jobs.reports.metrics import books, clusters, machines, money, open_jobs, planner, providers, so_far, waiting
from jobs.reports.metrics.families import as_text

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
    return as_text(family for families in FAMILIES for family in families())
