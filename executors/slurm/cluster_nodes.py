"""Nodes of Slurm as the planner is told of them: those of one partition, with what others than this bridge have of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clusters.slurm.records import SlurmNode, SlurmPartition
from executors.engine import ClusterGpu, ClusterNode, Workload
from scheduling import gpu_models

USABLE_STATES = frozenset({"IDLE", "MIXED", "ALLOCATED"})
NOT_NOW = frozenset(
    [
        "DOWN", "DRAIN", "DRAINING", "DRAINED", "FAIL", "FAILING", "ERROR", "UNKNOWN", "FUTURE", "MAINTENANCE", "MAINT", "NOT_RESPONDING",
        "NO_RESPOND", "REBOOT_REQUESTED", "REBOOT_ISSUED", "REBOOT", "POWERING_DOWN", "POWER_DOWN", "BLOCKED", "INVALID", "INVALID_REG",
        "UNDRAIN", "PLANNED_DOWN",
    ]
)  # fmt: skip
"""States and flags in which Slurm starts nothing there. One that is powered down is not among them: Slurm wakes it up."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What each member of a workload has asked for."""

    cpus: int
    memory_mb: int
    gpus: int


def cluster_nodes(
    nodes: Iterable[SlurmNode], partition: SlurmPartition, ours: Mapping[str, Sequence[Asked]]
) -> list[ClusterNode]:
    """`ours`: by node, what this bridge's workloads hold there."""
    return [
        _node(node, partition, ours.get(node.name, ()))
        for node in nodes
        if partition.name in node.partitions or node.name in partition.nodes
    ]


def gpu_type(workload: Workload, nodes: Iterable[SlurmNode]) -> str:
    """Slurm's own word for the model that was asked for, as the chosen nodes have it; empty: any that they have."""
    if not workload.gpu_model:
        return ""
    kinds = [{one.kind for one in node.gres if one.name == "gpu"} for node in nodes if node.name in workload.nodes]
    common = set.intersection(*kinds) if kinds else set()
    return next((kind for kind in sorted(common) if kind and gpu_models.matches(workload.gpu_model, kind)), "")


def _node(node: SlurmNode, partition: SlurmPartition, ours: Sequence[Asked]) -> ClusterNode:
    gpus = [ClusterGpu(model=one.kind) for one in node.gres if one.name == "gpu" for _ in range(one.amount)]
    used_gpus = sum(one.amount for one in node.gres_used if one.name == "gpu")
    why = _why_unusable(node, partition)
    return ClusterNode(
        name=node.name,
        cpus=node.cpus,
        memory_mb=node.memory_mb,
        gpus=tuple(gpus),
        labels={
            "slurm.partition": partition.name,
            **{
                f"slurm.feature.{feature.partition('=')[0]}": feature.partition("=")[2] or "true"
                for feature in node.features
            },
        },
        usable=not why,
        why_unusable=why,
        address=node.address,
        others_cpus=max(0, node.allocated_cpus - sum(one.cpus for one in ours)),
        others_memory_mb=max(0, node.allocated_memory_mb - sum(one.memory_mb for one in ours)),
        others_gpus=min(len(gpus), max(0, used_gpus - sum(one.gpus for one in ours))),
    )


def _why_unusable(node: SlurmNode, partition: SlurmPartition) -> str:
    if "UP" not in partition.state.upper():
        return f"Partition {partition.name} is {partition.state}."
    bad = sorted(node.states & NOT_NOW)
    if bad or not node.states & USABLE_STATES:
        states = ", ".join(bad or sorted(node.states))
        return f"Slurm says {states}: {node.reason}" if node.reason else f"Slurm says {states}."
    return ""
