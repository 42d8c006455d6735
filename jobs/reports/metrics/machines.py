"""The machines, their pools, and GPUs that idle."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Count, Sum

from jobs.models import IdleGpuStep
from jobs.reports import node_condition, node_health
from jobs.reports.metrics import each_node
from jobs.reports.metrics.alike_nodes import alike_nodes
from jobs.reports.metrics.families import Family, Prepared, counters, gauge, gauges
from scheduling.idle_gpus import LEAVING, Rung
from workers.models import Node, NodePool

MB = 2**20
MOST_REMOVERS = 10_000
"""Of more nodes that removed folders, the first by name."""
IDLE_STEPS = Prepared(
    lambda: (
        IdleGpuStep.objects.order_by()
        .values_list("rung")
        .annotate(Count("pk"), Sum("idle_gpu_seconds"), Sum("freed_gpu_seconds"))
    )
)
POOLS = Prepared(
    lambda: NodePool.objects.values_list("name", "waiting_jobs", "busy_nodes", "wanted_nodes", "desired_nodes")
)


def machines() -> Iterator[Family]:
    kinds = alike_nodes()
    number = Counter[str]()
    for kind in kinds:
        number[kind.alive_or] += kind.number
    found = [(liveness, number[liveness]) for liveness in Node.Liveness.values]
    yield gauges("nodes", "Nodes by liveness.", ("liveness",), found)
    suspects = sum(kind.number for kind in kinds if kind.suspected)
    yield gauge("suspect_nodes", "Nodes on which one job after another failed.", suspects)
    yield from _pools(kinds)
    yield from each_node.states(kinds)
    yield from each_node.leases()
    yield from each_node.figures()
    yield from _unfit_nodes(kinds)
    alive = [kind for kind in kinds if kind.alive]
    yield from _alive(alive)
    yield from _removed_folders(kinds)
    yield from _totals(alive)


def _unfit_nodes(kinds: Sequence[Any]) -> Iterator[Family]:
    lost = sum(kind.number for kind in kinds if node_health.lost(kind))
    yield gauge("lost_nodes", "Nodes whose agents fell silent without a goodbye.", lost)
    deaf = sum(kind.number for kind in kinds if node_health.consuming(kind) is False)
    yield gauge("deaf_nodes", "Nodes that are alive and that messages do not reach.", deaf)


def _alive(kinds: Sequence[Any]) -> Iterator[Family]:
    """Of nodes that are alive, all together."""
    full = sum(kind.number for kind in kinds if node_condition.disk_full(kind))
    yield gauge("full_disks", "Nodes whose disk is full.", full)
    gpus_out = sum(kind.gpus_out for kind in kinds)
    yield gauge("gpus_out", "GPUs that reported an error of their hardware.", gpus_out)
    trespasses = sum(kind.trespasses for kind in kinds)
    yield gauge("gpu_trespasses", "Processes on GPUs that their jobs do not hold.", trespasses)
    idle = sum(kind.idle_gpus_held for kind in kinds)
    yield gauge("gpus_idle", "GPUs that jobs hold of which none has worked for five minutes.", idle)
    milliwatts = [mw for kind in kinds for mw in kind.power_mw]
    text = "What the GPUs of nodes that are alive draw; no sample: none tells."
    yield gauges("power_watts", text, ("device",), [("gpu", sum(milliwatts) / 1000)] if milliwatts else [])


def _totals(kinds: Sequence[Any]) -> Iterator[Family]:
    for name, told, unit in (("gpus", "gpus", 1), ("cpus", "cpus", 1), ("memory_bytes", "memory_mb", MB)):
        total, taken = (sum(getattr(kind, one) for kind in kinds) * unit for one in (told, f"{told}_held"))
        yield gauge(name, "Of all nodes that are alive.", total)
        yield gauge(f"{name}_held", "What jobs hold of it.", taken)


def _removed_folders(kinds: Sequence[Any]) -> Iterator[Family]:
    """Since each agent began, as its heartbeats tell; nothing of those that removed none."""
    first = sorted((name, said) for kind in kinds for name, said in kind.removed)[:MOST_REMOVERS]
    told = [(name, node_condition.removed_of(said)) for name, said in first]
    texts = {"folders": "Folders of deleted jobs that a node removed.", "bytes": "What was free by that."}
    for name, text in texts.items():
        metric = "removed_job_folders" if name == "folders" else "removed_job_folder_bytes"
        samples = [(node, removed[name]) for node, removed in told if removed["folders"]]
        yield counters(metric, text, ("node",), samples)


def _pools(kinds: Sequence[Any]) -> Iterator[Family]:
    """No samples without pools; before the first decision there is what is present alone."""
    present = Counter[str | None]()
    for kind in kinds:
        if kind.state == Node.State.UP and kind.alive:
            present[kind.pool] += kind.number
    pools = POOLS.rows()
    rows = [
        (pool, what, number)
        for pool, _, *told in pools
        for what, number in zip(("present", "busy", "wanted", "desired"), (present[pool], *told), strict=True)
        if number is not None
    ]
    text = "Nodes of a pool: that take work, that hold jobs, that are wanted, that it is to have."
    yield gauges("pool_nodes", text, ("pool", "what"), rows)
    waiting = [(pool, number) for pool, number, *_ in pools if number is not None]
    text = "Jobs that wait for room which a pool's nodes have."
    yield gauges("pool_waiting_jobs", text, ("pool",), waiting)


def idle_gpus() -> Iterator[Family]:
    known = {Rung(rung): amounts for rung, *amounts in IDLE_STEPS.rows()}
    steps, idle, freed = ([(rung, known.get(rung, (0, 0, 0))[n]) for rung in Rung] for n in range(3))
    text = "Steps that rules for idle GPUs have taken."
    yield counters("idle_gpu_steps", text, ("rung",), steps)
    text = "For how long the GPUs had idled at each of these steps, all together."
    yield counters("idle_gpu_seconds", text, ("rung",), idle)
    text = "GPU time that these steps gave back, as it was estimated."
    given = [row for row in freed if row[0] in LEAVING]
    yield counters("idle_gpu_freed_seconds", text, ("rung",), given)
