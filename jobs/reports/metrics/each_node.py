"""Nodes by what they are fit for, their leases, and figures of each: of so many of them that a scrape stays small."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from json import loads
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from jobs.models import Placement
from jobs.reports import node_health
from jobs.reports.metrics.alike_nodes import alive_nodes, is_number
from jobs.reports.metrics.families import Family, Prepared, gauge, gauges, query
from scheduling.lifecycle import LEASED_STATES
from workers.models import Node

MB = 2**20
STATES = ("available", "busy", "draining", "unfit", "offline")
MOST_NODES = 100
"""Of more, the first by name have figures of their own here; all have them in their agents' exporters."""
MOST_GPUS = 200
"""The same of GPUs."""
LEASES = """
    SELECT count(*), count(*) FILTER (WHERE lease_expires_at < statement_timestamp())
    FROM jobs_placement WHERE closed_at IS NULL AND state = ANY(%s)
"""
INFO = ("node", "version", "cpus", "memory_mb", "gpus", "gpu_model")
OF_GPU = (
    ("gpu_utilisation_ratio", "How much of the time the GPU worked.", "utilisation", 0.01),
    ("gpu_memory_used_bytes", "Memory of the GPU that is used.", "memory_used_mb", MB),
    ("gpu_power_watts", "What the GPU draws.", "power_mw", 0.001),
    ("gpu_temperature_celsius", "How hot the GPU is.", "temperature_c", 1),
    ("gpu_ecc_errors", "Errors of its memory that could not be corrected, since the driver was loaded.", "ecc_errors", 1),
)  # fmt: skip
"""Name, text, the word of heartbeats, and by what that is multiplied; what a GPU does not tell has no sample."""


def _shown() -> QuerySet[Any, Any]:
    placed = Placement.objects.filter(node=OuterRef("pk"), closed_at__isnull=True).order_by().values("node")
    jobs = Coalesce(Subquery(placed.annotate(n=Count("pk")).values("n")), 0)
    columns = ("name", "jobs", "version", "cpus", "memory_mb", "gpus", "load")
    return alive_nodes().annotate(jobs=jobs).order_by("name").values_list(*columns)[:MOST_NODES]


SHOWN = Prepared(_shown)


def states(kinds: Iterable[Any]) -> Iterator[Family]:
    """Each node is in one of them. `kinds`: of `alike_nodes`."""
    found = Counter[str]()
    for kind in kinds:
        found[state_of(kind)] += kind.number
    yield gauge("idle_nodes", "Nodes that take work and on which no job holds anything.", found["available"])
    text = "Nodes: free for work, with jobs, being emptied, alive and unfit for work, or gone."
    yield gauges("nodes_by_state", text, ("state",), [(state, found[state]) for state in STATES])


def state_of(kind: Any) -> str:
    """Of each of `alike_nodes`."""
    if not kind.alive or kind.state == Node.State.DOWN:
        return "offline"
    if kind.state == Node.State.DRAINING:
        return "draining"
    if not node_health.takes_work(kind):
        return "unfit"
    return "busy" if kind.busy else "available"


def leases() -> Iterator[Family]:
    [[held, overdue]] = query(LEASES, [sorted(LEASED_STATES)])
    yield gauge("leases", "Placements that agents hold.", held)
    yield gauge(
        "leases_overdue", "Those of them that were not renewed in time, and are about to be taken back.", overdue
    )


def figures() -> Iterator[Family]:
    """As their last heartbeats say; nothing of nodes that are silent."""
    shown = [(*row, _hardware(gpus), loads(load)) for *row, gpus, load in SHOWN.rows()]
    jobs = [(name, placements) for name, placements, *_ in shown]
    yield gauges("node_jobs", "Placements on the node.", ("node",), jobs)
    told = [(name, load) for name, *_, load in shown if isinstance(load, Mapping)]
    for name, text, key, factor in (
        ("node_cpu_utilisation_ratio", "How much of its processors' time is used.", "cpu_percent", 0.01),
        ("node_memory_used_bytes", "Memory of the machine that is used.", "memory_used_mb", MB),
        ("node_disk_free_bytes", "What is free where jobs write.", "disk_free_mb", MB),
    ):
        rows = [(node, load[key] * factor) for node, load in told if is_number(load.get(key))]
        yield gauges(name, text, ("node",), rows)
    text = "What the node has, of which release its agent is."
    info = [(name, *known, *hardware, 1) for name, _, *known, hardware, _ in shown]
    yield gauges("node_info", text, INFO, info)
    yield from _of_gpus((name, load.get("gpus")) for name, load in told)


def _of_gpus(told: Iterable[tuple[str, Any]]) -> Iterator[Family]:
    gpus = [(node, gpu) for node, found in told if isinstance(found, list) for gpu in found]
    known = [(node, gpu) for node, gpu in gpus if isinstance(gpu, Mapping) and "index" in gpu][:MOST_GPUS]
    for name, text, key, factor in OF_GPU:
        rows = [(node, gpu["index"], gpu[key] * factor) for node, gpu in known if is_number(gpu.get(key))]
        yield gauges(name, text, ("node", "gpu"), rows)


@lru_cache(maxsize=10 * MOST_NODES)
def _hardware(told: str) -> tuple[int, str]:
    """How many GPUs, and which: a node's list of them is the same from scrape to scrape."""
    gpus = loads(told)
    return len(gpus), " + ".join(sorted({str(gpu.get("model", "")) for gpu in gpus}))
