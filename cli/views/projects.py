"""What a project uses of its quotas and budgets, in the server's words."""

from collections.abc import Iterable

from cli.client.requests import Row
from cli.output import visible

RESOURCES = {
    "gpus": "GPUs",
    "cpus": "CPUs",
    "memory_gb": "memory",
    "running_jobs": "running jobs",
    "waiting_jobs": "waiting jobs",
    "gpu_hours_ahead": "GPU-hours ahead",
}


def spell_bars(quota: Row) -> list[str]:
    """A line for each quota that limits the project, its own or one above: `GPUs: 6 of 8 GPUs used, 2 lent`; and its storage."""
    lines = [
        f"{RESOURCES.get(bar['resource'], bar['resource'])}: {visible(bar['sentence'])}"
        for bar in quota.get("bars", ())
    ]
    storage = quota.get("kept_outputs")
    return [*lines, f"storage: {visible(storage['sentence'])}"] if storage else lines


def spell_budgets(budgets: Iterable[Row]) -> list[str]:
    """A line for each: `budget 3: 12.50 spent, ...`."""
    return [f"budget {budget['id']}: {visible(budget['sentence'])}" for budget in budgets]
