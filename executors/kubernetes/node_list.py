"""The nodes of a cluster with what others than this bridge use of them. Pure: from lists of objects."""

from collections import Counter
from collections.abc import Iterable, Sequence

from clusters.kubernetes.connection import JsonObject
from clusters.kubernetes.quantities import megabytes, number
from executors.engine import ClusterGpu, ClusterNode
from executors.kubernetes import pods
from executors.kubernetes.manifest import CLUSTER
from executors.kubernetes.options import Options, Toleration

KEEPS_OFF = frozenset({"NoSchedule", "NoExecute"})


class Use:
    """What pods of others have reserved on one node."""

    def __init__(self) -> None:
        self.amounts: Counter[str] = Counter()

    def add(self, pod: JsonObject) -> None:
        """As the scheduler counts: the containers together, or the largest of those that come before, if that is more."""
        spec = pod["spec"]
        together = _sum(spec.get("containers") or [])
        for one in spec.get("initContainers") or []:
            if one.get("restartPolicy") == "Always":
                together += _requests(one)
                continue
            for name, amount in _requests(one).items():
                together[name] = max(together[name], amount)
        self.amounts.update(together)
        self.amounts.update(_amounts(spec.get("overhead") or {}))


def nodes(
    listed: Iterable[JsonObject], running: Iterable[JsonObject], *, cluster: str, options: Options
) -> Sequence[ClusterNode]:
    """Every node, with the shape and the labels that it has, and what pods that are not ours use there."""
    use: dict[str, Use] = {}
    for pod in running:
        if not pods.is_over(pod) and pods.node_of(pod) and pods.label(pod, CLUSTER) != cluster:
            use.setdefault(pods.node_of(pod), Use()).add(pod)
    return [_node(one, use.get(pods.name_of(one), Use()), options) for one in listed]


def _node(node: JsonObject, use: Use, options: Options) -> ClusterNode:
    can = _amounts(node.get("status", {}).get("allocatable") or {})
    labels = {str(name): str(value) for name, value in (node["metadata"].get("labels") or {}).items()}
    gpu = ClusterGpu(
        labels.get(options.gpu_label, "").removesuffix("-SHARED").replace("-", " "), _gpu_memory(labels, options)
    )
    why = _why_unusable(node, options.tolerations)
    addresses = node.get("status", {}).get("addresses") or []
    return ClusterNode(
        name=pods.name_of(node),
        cpus=int(can["cpu"]),
        memory_mb=int(can["memory"]),
        gpus=(gpu,) * int(can[options.gpu_resource]),
        labels=labels,
        usable=not why,
        why_unusable=why,
        address=next((str(one["address"]) for one in addresses if one.get("type") == "InternalIP"), ""),
        others_cpus=float(use.amounts["cpu"]),
        others_memory_mb=int(use.amounts["memory"]),
        others_gpus=int(use.amounts[options.gpu_resource]),
    )


def _gpu_memory(labels: dict[str, str], options: Options) -> int:
    text = labels.get(options.gpu_memory_label, "")
    return int(text) if text.isdigit() else 0


def _why_unusable(node: JsonObject, tolerations: Sequence[Toleration]) -> str:
    """In words; empty for a node that takes pods of ours."""
    ready = pods.condition(node, "Ready")
    if pods.is_leaving(node):
        return "It is being removed from the cluster."
    if ready is None:
        told = pods.condition(node, "Ready", "False") or pods.condition(node, "Ready", "Unknown") or {}
        return f"It is not ready: {told.get('message') or told.get('reason') or 'its kubelet has said nothing'}."
    if node["spec"].get("unschedulable"):
        return "It is cordoned: kubectl uncordon lets it take pods again."
    for taint in node["spec"].get("taints") or []:
        if taint.get("effect") in KEEPS_OFF and not any(_tolerates(one, taint) for one in tolerations):
            value = f"={taint['value']}" if taint.get("value") else ""
            return f"It has the taint {taint['key']}{value}:{taint['effect']}, which pods of ours do not tolerate."
    return ""


def _tolerates(toleration: Toleration, taint: JsonObject) -> bool:
    if toleration.get("effect") not in (None, taint.get("effect")) or toleration["key"] != taint["key"]:
        return False
    return toleration["operator"] == "Exists" or toleration.get("value", "") == (taint.get("value") or "")


def _sum(containers: Iterable[JsonObject]) -> "Counter[str]":
    found: Counter[str] = Counter()
    for one in containers:
        found.update(_requests(one))
    return found


def _requests(container: JsonObject) -> "Counter[str]":
    """What is limited and not requested is requested as it is limited."""
    resources = container.get("resources") or {}
    return _amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _amounts(quantities: JsonObject) -> "Counter[str]":
    """Memory in MiB, CPUs and devices in pieces."""
    found: Counter[str] = Counter()
    for name, quantity in quantities.items():
        found[name] = megabytes(quantity) if name == "memory" else float(number(quantity))  # type: ignore[assignment]
    return found
