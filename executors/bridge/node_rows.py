"""The nodes of a cluster as the planner is told of them: what others use of each is taken off."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from executors.engine import ClusterNode
from jobs.models import GpuHold, Placement
from workers import cluster_nodes
from workers.cluster_nodes import SeenNode, node_name
from workers.models import Cluster

OPEN_THERE = Q(Exists(Placement.objects.filter(node=OuterRef("pk"), closed_at__isnull=True)))


def refresh(cluster: Cluster, agent_id: UUID, nodes: Sequence[ClusterNode]) -> bool:
    """Bring the rows up to what the cluster says; whether there is more room than before. A few statements for all."""
    known = cluster_nodes.known(cluster.pk)
    held = _held_gpus(cluster.pk)
    seen = [_seen(cluster.name, node, held.get(node.name, ()), known.get(node.name)) for node in nodes]
    changed = [node for node in seen if not _is_said(node, known.get(node.cluster_node))]
    cluster_nodes.write(cluster, agent_id, changed)
    there = {node.cluster_node for node in seen}
    if gone := [row.name for name, row in known.items() if name not in there]:
        cluster_nodes.vanished(cluster.pk, gone, in_use=OPEN_THERE)
    return any(_has_more(node, known.get(node.cluster_node)) for node in changed)


def _seen(cluster: str, node: ClusterNode, held: Collection[int], before: SeenNode | None) -> SeenNode:
    taken = _taken(len(node.gpus), node.others_gpus, held, before.gpus_taken if before else ())
    return SeenNode(
        name=before.name if before else node_name(cluster, node.name),
        cluster_node=node.name,
        cpus=max(0, int(node.cpus - node.others_cpus)),
        memory_mb=max(0, node.memory_mb - node.others_memory_mb),
        gpus=tuple(
            {"index": index, "model": gpu.model, "memory_mb": gpu.memory_mb, "uuid": "", "simulated": False}
            for index, gpu in enumerate(node.gpus)
        ),
        gpus_taken=taken,
        labels=dict(node.labels),
        unusable="" if node.usable else (node.why_unusable or "Its cluster starts nothing there now.")[:200],
        address=node.address,
    )


def _taken(gpus: int, others: int, held: Collection[int], before: Collection[int]) -> tuple[int, ...]:
    """So many of those that no placement of ours holds: the same as before where that can be, else from the last down."""
    free = [index for index in range(gpus) if index not in held]
    return tuple(sorted(sorted(free, key=lambda index: (index not in before, -index))[:others]))


def _is_said(node: SeenNode, before: SeenNode | None) -> bool:
    """Whether its row says all that: labels that were set over REST may stand beside."""
    if before is None:
        return False
    labels = before.labels.items() >= node.labels.items()
    return labels and node.as_row() | {"labels": {}} == before.as_row() | {"labels": {}}


def _has_more(node: SeenNode, before: SeenNode | None) -> bool:
    return (
        before is None
        or bool(before.unusable and not node.unusable)
        or node.cpus > before.cpus
        or node.memory_mb > before.memory_mb
        or len(node.gpus) - len(node.gpus_taken) > len(before.gpus) - len(before.gpus_taken)
    )


def _held_gpus(cluster_id: int) -> Mapping[str, set[int]]:
    found: dict[str, set[int]] = {}
    holds = GpuHold.objects.filter(node__cluster=cluster_id).values_list("node__cluster_node", "index")
    for name, index in holds:
        found.setdefault(name, set()).add(index)
    return found
