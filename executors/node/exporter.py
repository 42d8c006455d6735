"""What this node's agent knows, for Prometheus: it answers while the database and the broker are away.

Off until it is given a port. It names no command, no variable and no secret of anybody's; jobs by their numbers, where
that is wanted.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from executors.node.node_status import NodeStatus
from executors.session.known import Known
from scheduling.errors import UnavailableError
from workers.hardware.inventory import Hardware, gpu_loads, memory_used_mb
from workers.heartbeats import ProbeReader

MB = 2**20
OF_GPU = (
    ("gpu_utilisation_ratio", "How much of the time the GPU worked.", "utilisation", 0.01),
    ("gpu_memory_used_bytes", "Memory of the GPU that is used.", "memory_used_mb", MB),
    ("gpu_power_watts", "What the GPU draws.", "power_mw", 0.001),
    ("gpu_energy_joules_total", "What it has used since its driver was loaded.", "energy_mj", 0.001),
    ("gpu_temperature_celsius", "How hot the GPU is.", "temperature_c", 1),
    ("gpu_ecc_errors_total", "Errors of its memory that could not be corrected, since its driver was loaded.", "ecc_errors", 1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeView:
    """What an exporter asks. `jobs`: whether it may tell jobs by their numbers, each of which is a series for ever."""

    name: str
    version: str
    hardware: Hardware
    status: NodeStatus
    known: Callable[[], Known]
    probe: ProbeReader
    jobs: bool = False


class AgentCollector(Collector):
    """Asked by the exporter's threads; nothing in here waits for another machine."""

    def __init__(self, view: NodeView) -> None:
        self._view = view

    def describe(self) -> Iterable[Metric]:
        """Nothing is collected before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        view, known = self._view, self._view.known()
        yield InfoMetricFamily(
            "trainyard_agent", "The agent of this node.", value={"node": view.name, "version": view.version}
        )
        yield from _session(known)
        consuming = view.probe().consuming
        if consuming is not None:
            yield _gauge("consuming", "Whether messages for this node arrive at its agent.", consuming)
        yield from _machine(view)
        yield from _gpus(view)
        if view.jobs:
            yield from _jobs(known)


def serve(view: NodeView, *, port: int, address: str) -> None:
    """Answer from now on, in threads of its own. Raises UnavailableError where the port cannot be had."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(AgentCollector(view))
    try:
        start_http_server(port, addr=address, registry=registry)
    except OSError as error:
        raise UnavailableError(
            f"--metrics-port {port}: the agent cannot listen on {address}:{port}: {error.strerror}"
        ) from None


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"trainyard_agent_{name}", text, value=float(value))


def _session(known: Known) -> Iterator[Metric]:
    yield _gauge("placements", "Placements that this agent holds.", len(known.held))
    yield _gauge("suspended_placements", "Those of them whose commands stand still.", known.suspended)
    if known.lease_seconds is not None:
        yield _gauge("lease_seconds", "Until the first lease runs out; then what runs here stops.", known.lease_seconds)
    yield _gauge("unsaid", "Claims and ends that the database has not been told yet.", known.unsaid)
    if known.silence_seconds is not None:
        text = "Since the database last took a heartbeat of this agent."
        yield _gauge("database_silence_seconds", text, known.silence_seconds)
    yield _gauge("unsent_log_bytes", "What jobs here have printed and the database does not have.", known.unsent_bytes)
    yield _gauge("leaving", "Whether the agent ends, and takes nothing new.", known.leaving)


def _machine(view: NodeView) -> Iterator[Metric]:
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # they count as user and nice as well
    text = "Time that the machine's processors have worked since it was started."
    yield CounterMetricFamily("trainyard_agent_cpu_busy_seconds", text, sum(times) - idle - guests)
    yield _gauge("cpus", "Processors that this node offers.", view.hardware.cpus)
    yield _gauge("memory_used_bytes", "Memory of the machine that is used.", memory_used_mb(view.hardware) * MB)
    yield _gauge("memory_bytes", "Memory that this node offers.", view.hardware.memory_mb * MB)
    yield _gauge("disk_free_bytes", "What is free where jobs write.", view.status.disk.free_mb() * MB)


def _gpus(view: NodeView) -> Iterator[Metric]:
    loads = gpu_loads.latest(view.hardware.gpus)
    models = {gpu.index: gpu.model for gpu in view.hardware.gpus}
    for name, text, key, factor in OF_GPU:
        kind: Any = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(f"trainyard_agent_{name.removesuffix('_total')}", text, labels=("gpu", "model"))
        for gpu in loads:
            if key in gpu:
                family.add_metric([str(gpu["index"]), models.get(gpu["index"], "")], gpu[key] * factor)
        yield family
    out = GaugeMetricFamily(
        "trainyard_agent_gpu_out", "GPUs that reported an error of their hardware.", labels=("gpu",)
    )
    for index in sorted(models):
        out.add_metric([str(index)], float(index in view.status.faults.out))
    yield out


def _jobs(known: Known) -> Iterator[Metric]:
    cpus = GaugeMetricFamily("trainyard_agent_job_cpus", "Processors of this node that the job holds.", labels=("job",))
    gpus = GaugeMetricFamily("trainyard_agent_job_gpu", "1 for each GPU that the job holds.", labels=("job", "gpu"))
    for one in known.held:
        cpus.add_metric([str(one.job_id)], one.cpus)
        for index in one.gpu_indices:
            gpus.add_metric([str(one.job_id), str(index)], 1)
    yield from (cpus, gpus)
