"""The machines, their pools, and GPUs that idle."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Count, Sum
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from jobs.models import IdleGpuStep
from jobs.models.queries import usage_by_node
from jobs.reports import node_condition, node_health
from jobs.reports.metrics import each_node
from jobs.reports.metrics.families import gauge, labelled
from jobs.reports.metrics.seen_nodes import seen_nodes
from scheduling.idle_gpus import LEAVING, Rung
from workers.models import Node, NodePool
from workers.queries import liveness_counts

MB = 2**20


def machines() -> Iterator[Metric]:
    nodes = seen_nodes()
    yield labelled(GaugeMetricFamily, "nodes", "Nodes by liveness.", ("liveness",), liveness_counts(nodes).items())
    suspects = sum(bool(node.suspicion) for node in nodes)
    yield gauge("suspect_nodes", "Nodes on which one job after another failed.", suspects)
    yield from _pools(nodes)
    held = usage_by_node()
    yield from each_node.states(nodes, busy=held.keys())
    yield from each_node.leases()
    yield from each_node.figures(nodes, held)
    yield from _unfit_nodes(nodes)
    alive = [node for node in nodes if node.liveness(node.now) == Node.Liveness.ALIVE]
    used = [held[node.pk] for node in alive if node.pk in held]
    yield gauge("full_disks", "Nodes whose disk is full.", sum(map(node_condition.disk_full, alive)))
    gpus_out = sum(len(node_condition.gpus_out(node)) for node in alive)
    yield gauge("gpus_out", "GPUs that reported an error of their hardware.", gpus_out)
    trespasses = sum(len(node_condition.trespasses(node)) for node in alive)
    yield gauge("gpu_trespasses", "Processes on GPUs that their jobs do not hold.", trespasses)
    text = "GPUs that jobs hold of which none has worked for five minutes."
    yield gauge("gpus_idle", text, sum(one.idle_gpus for one in used))
    watts = [watts for node in alive if (watts := node_condition.gpu_watts(node)) is not None]
    text = "What the GPUs of nodes that are alive draw; no sample: none tells."
    yield labelled(GaugeMetricFamily, "power_watts", text, ("device",), [("gpu", sum(watts))] if watts else [])
    yield from _removed_folders(nodes)
    totals = {
        "gpus": (sum(node.gpu_count for node in alive), sum(one.gpus for one in used)),
        "cpus": (sum(node.cpus for node in alive), sum(one.cpus for one in used)),
        "memory_bytes": (sum(node.memory_mb for node in alive) * MB, sum(one.memory_mb for one in used) * MB),
    }
    for name, (total, taken) in totals.items():
        yield gauge(name, "Of all nodes that are alive.", total)
        yield gauge(f"{name}_held", "What jobs hold of it.", taken)


def _unfit_nodes(nodes: Iterable[Any]) -> Iterator[Metric]:
    lost = sum(node_health.lost(node) for node in nodes)
    yield gauge("lost_nodes", "Nodes whose agents fell silent without a goodbye.", lost)
    deaf = sum(node.consuming is False and node_health.consuming(node) is False for node in nodes)
    yield gauge("deaf_nodes", "Nodes that are alive and that messages do not reach.", deaf)


def _removed_folders(nodes: Iterable[Node]) -> Iterator[Metric]:
    """Since each agent began, as its heartbeats tell; nothing of those that removed none."""
    told = {node.name: removed for node in nodes if (removed := node_condition.removed_folders(node))["folders"]}
    texts = {"folders": "Folders of deleted jobs that a node removed.", "bytes": "What was free by that."}
    for name, text in texts.items():
        rows = ((node, removed[name]) for node, removed in told.items())
        metric = "removed_job_folders" if name == "folders" else "removed_job_folder_bytes"
        yield labelled(CounterMetricFamily, metric, text, ("node",), rows)


def _pools(nodes: Iterable[Any]) -> Iterator[Metric]:
    """No samples without pools; before the first decision there is what is present alone."""
    taking = [node for node in nodes if node.state == Node.State.UP and node.liveness(node.now) == Node.Liveness.ALIVE]
    present = Counter(node.labels.get(NodePool.LABEL) for node in taking)
    pools = list(NodePool.objects.all())
    rows = [
        (pool, what, number)
        for pool in pools
        for what, number in (("present", present[pool.name]), ("busy", pool.busy_nodes),
                             ("wanted", pool.wanted_nodes), ("desired", pool.desired_nodes))
        if number is not None
    ]  # fmt: skip
    text = "Nodes of a pool: that take work, that hold jobs, that are wanted, that it is to have."
    yield labelled(GaugeMetricFamily, "pool_nodes", text, ("pool", "what"), rows)
    waiting = [(pool, pool.waiting_jobs) for pool in pools if pool.waiting_jobs is not None]
    text = "Jobs that wait for room which a pool's nodes have."
    yield labelled(GaugeMetricFamily, "pool_waiting_jobs", text, ("pool",), waiting)


def idle_gpus() -> Iterator[Metric]:
    sums = (Count("pk"), Sum("idle_gpu_seconds"), Sum("freed_gpu_seconds"))
    found = IdleGpuStep.objects.order_by().values_list("rung").annotate(*sums)
    known = {Rung(rung): amounts for rung, *amounts in found}
    steps, idle, freed = ([(rung, known.get(rung, (0, 0, 0))[n]) for rung in Rung] for n in range(3))
    text = "Steps that rules for idle GPUs have taken."
    yield labelled(CounterMetricFamily, "idle_gpu_steps", text, ("rung",), steps)
    text = "For how long the GPUs had idled at each of these steps, all together."
    yield labelled(CounterMetricFamily, "idle_gpu_seconds", text, ("rung",), idle)
    text = "GPU time that these steps gave back, as it was estimated."
    given = [row for row in freed if row[0] in LEAVING]
    yield labelled(CounterMetricFamily, "idle_gpu_freed_seconds", text, ("rung",), given)
