"""The machines of a simulation, and what a job of a trace asks of them."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from scheduling.resources import Request
from scheduling.snapshot import Gpu, NodeView
from simulator.cleaning import CleanJob
from simulator.numerals import number
from simulator.trace import SimulationError, TraceError, TraceJob

PLENTY = 1_000_000_000
"""Of what a description of nodes does not name: it limits nobody."""
MEGABYTES = 1024
POOL = "pool"
SHAPE_FIELDS = 3
LABELS = {"node-type": "type", "capacity": "capacity"}
"""Labels by which prices know a node, and the column that says each."""
NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Cluster:
    """Nodes, or one pool of processors without node boundaries."""

    nodes: tuple[NodeView, ...]
    pooled: bool = False

    @cached_property
    def unit(self) -> str:
        """What its size is counted in: GPUs if it has any, else CPUs."""
        return "gpus" if any(node.gpus for node in self.nodes) else "cpus"

    @cached_property
    def size(self) -> int:
        return sum(len(node.gpus) if self.unit == "gpus" else node.cpus for node in self.nodes)

    def width(self, request: Request) -> float:
        """How much of the cluster's size a request takes."""
        return request.total.cpus if self.unit == "cpus" else request.total.all_gpus

    def request(self, job: TraceJob) -> Request:
        """What the job asks for here. Wider than any node, it becomes a gang of equal shares on as few nodes as can be."""
        if self.pooled:
            return Request(cpus=job.width)
        nodes = max(job.nodes, *(math.ceil(asked / most) for asked, most in self._asked_and_most(job) if most), 1)
        return Request(
            cpus=math.ceil(job.cpus / nodes),
            memory_mb=math.ceil(job.memory_mb / nodes),
            gpus=math.ceil(job.gpus / nodes),
            gpu_milli=job.gpu_milli,
            nodes=nodes,
        )

    def _asked_and_most(self, job: TraceJob) -> tuple[tuple[int, int], ...]:
        cpus, memory_mb, gpus = self._largest
        return ((job.cpus, cpus), (job.memory_mb, memory_mb), (job.gpus, gpus))

    @cached_property
    def _largest(self) -> tuple[int, int, int]:
        return (
            max(node.cpus for node in self.nodes),
            max(node.memory_mb for node in self.nodes),
            max(len(node.gpus) for node in self.nodes),
        )

    def requests(self, jobs: Iterable[CleanJob], source: Path | str) -> dict[int, Request]:
        """What each job asks for, by its number. A job that could never start is refused, with its line."""
        known: dict[Request, Request] = {}
        asked = {}
        for job in jobs:
            request = self.request(job.trace)
            if request not in known:
                self._check(request, job.trace, source)
            asked[job.number] = known.setdefault(request, request)
        return asked

    def _check(self, request: Request, job: TraceJob, source: Path | str) -> None:
        if not self.could_hold(request):
            wanted = f"{job.cpus} CPUs, {job.gpus} GPUs, {job.memory_mb} MB" if not self.pooled else f"{job.width}"
            raise TraceError(
                source,
                job.line,
                f"job {job.id} can never start: it asks for {wanted} and the cluster has {self.describe()}. "
                "Simulate a larger one (--pool, --nodes), or leave such jobs out (--too-wide drop).",
            )

    def could_hold(self, request: Request) -> bool:
        """Whether that much fits while nothing else runs."""
        return sum(request.amount.fits_in(node.amount) for node in self.nodes) >= request.nodes

    def describe(self) -> str:
        return f"{self.size:,}" if self.pooled else f"{len(self.nodes):,} nodes with {self.size:,} {self.unit.upper()}"


def pool(processors: int) -> Cluster:
    """So many processors that any job can use together."""
    if processors < 1:
        raise SimulationError(f"A pool of {processors} processors runs nothing: give 1 or more.")
    return Cluster((NodeView(POOL, cpus=processors, memory_mb=PLENTY),), pooled=True)


def nodes_of(shape: str) -> Cluster:
    """Like nodes, written COUNTxCPUSxGPUS: `16x64x8`; several kinds with commas between them: `16x64x8,4x128x0`."""
    nodes: list[NodeView] = []
    for kind, written in enumerate(shape.split(","), start=1):
        count, cpus, gpus = _sizes(written)
        nodes += (_node(f"n{kind}-{place:04}", cpus, PLENTY, gpus) for place in range(1, count + 1))
    return _cluster(nodes, shape)


def _sizes(written: str) -> Sequence[int]:
    sizes = written.strip().lower().split("x")
    if len(sizes) != SHAPE_FIELDS or not all(size.isdecimal() for size in sizes):
        raise SimulationError(f"{written!r} is no shape of nodes: write COUNTxCPUSxGPUS, like 16x64x8, or name a file.")
    return [int(size) for size in sizes]


def read_nodes(path: Path) -> Cluster:
    """A CSV with the columns `node count gpus cpus mem_gb model type capacity`; an empty CPU or memory cell limits nothing."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            if "node" not in (rows.fieldnames or ()):
                raise TraceError(
                    path, 1, "has no column node. The columns are: node count gpus cpus mem_gb model type capacity."
                )
            nodes = [node for row in rows for node in _nodes_of_row(path, rows.line_num, row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(path, None, f"cannot be read: {error}.") from error
    return _cluster(nodes, str(path))


def _nodes_of_row(path: Path, line: int, row: Mapping[str, str | None]) -> Iterable[NodeView]:
    def size(column: str, default: float) -> float:
        text = (row.get(column) or "").strip()
        try:
            value = number(text) if text else default
        except ValueError:
            value = -1
        if value < 0:
            raise TraceError(path, line, f"{column} is {text!r}: write 0 or more, or leave it empty.")
        return value

    labels = {label: text for label, column in LABELS.items() if (text := (row.get(column) or "").strip())}
    count, name, model = int(size("count", 1)), row["node"] or f"line-{line}", row.get("model") or ""
    for place in range(1, count + 1):
        yield _node(
            name if count == 1 else f"{name}-{place:04}",
            int(size("cpus", PLENTY)),
            math.floor(size("mem_gb", PLENTY) * MEGABYTES),
            int(size("gpus", 0)),
            model,
            labels,
        )


def _node(
    name: str, cpus: int, memory_mb: int, gpus: int, model: str = "", labels: Mapping[str, str] = NO_LABELS
) -> NodeView:
    return NodeView(name, cpus, memory_mb, tuple(Gpu(index, model) for index in range(gpus)), labels=labels)


def _cluster(nodes: Iterable[NodeView], source: str) -> Cluster:
    cluster = Cluster(tuple(nodes))
    if not cluster.nodes or not cluster.size:
        raise SimulationError(f"{source} names no node that could run a job.")
    if len({node.name for node in cluster.nodes}) < len(cluster.nodes):
        raise SimulationError(f"{source} names a node twice.")
    return cluster
