"""What a node's page shows beside its fields: its GPUs with their holders, and what runs there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.admin import cells
from jobs.models import GpuHold, Job, Placement
from workers.models import Node

PLACEMENTS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, as its row on the page."""

    index: int
    model: str
    uuid: str
    memory: str
    utilisation: float | None
    memory_used: str
    simulated: bool
    holder: Job | None


def context(node: Any) -> dict[str, Any]:
    """Everything for the page's template, in a fixed number of queries."""
    placements = Placement.objects.filter(node=node, closed_at__isnull=True).select_related("attempt__job")
    return {
        "node": node,
        "liveness": node.liveness(node.now),
        "gpus": gpus(node),
        "placements": placements.order_by("id")[:PLACEMENTS_SHOWN],
        "jobs_left": node.running_jobs,
        "cpu_percent": cpu_percent(node),
    }


def gpus(node: Node) -> list[Gpu]:
    holds = GpuHold.objects.filter(node=node).select_related("placement__attempt__job")
    holders = {hold.index: hold.placement.attempt.job for hold in holds}
    measured = {gpu.get("index"): gpu for gpu in _mappings(_load(node).get("gpus"))}
    return [_gpu(gpu, measured.get(gpu.get("index"), {}), holders) for gpu in _mappings(node.gpus)]


def _gpu(gpu: Mapping[str, Any], load: Mapping[str, Any], holders: Mapping[int, Job]) -> Gpu:
    index = gpu.get("index", 0)
    used = load.get("memory_used_mb")
    return Gpu(
        index=index,
        model=gpu.get("model", ""),
        uuid=gpu.get("uuid", ""),
        memory=cells.gigabytes(gpu.get("memory_mb", 0)),
        utilisation=load.get("utilisation"),
        memory_used=cells.EMPTY if used is None else cells.gigabytes(used),
        simulated=bool(gpu.get("simulated")),
        holder=holders.get(index),
    )


def simulated(node: Node) -> bool:
    return any(gpu.get("simulated") for gpu in _mappings(node.gpus))


def cpu_percent(node: Node) -> float | None:
    """What the machine measured at its last heartbeat."""
    percent = _load(node).get("cpu_percent")
    return percent if isinstance(percent, int | float) else None


def _load(node: Node) -> Mapping[str, Any]:
    return node.load if isinstance(node.load, Mapping) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
