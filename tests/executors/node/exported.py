"""An agent's exporter, with things to tell of everything."""

from types import SimpleNamespace
from typing import Any

from executors.node import exporter
from executors.node.exporter import NodeView
from executors.session.known import Held, Known
from tests.workers.nvml import Driver, gpu
from workers.hardware.gpus import GpuLoads
from workers.hardware.inventory import Hardware
from workers.heartbeats import QueueProbeResult

KNOWN = Known(
    held=(Held(7, 3, (0, 1)), Held(8, 1, ())),
    suspended=1,
    lease_seconds=22.5,
    unsaid=2,
    silence_seconds=61.0,
    unsent_bytes=4096,
    leaving=False,
)


def node_view(monkeypatch) -> NodeView:
    """Two GPUs: one is fine, and of the other not much is known but that it is broken."""
    driver = Driver(2)
    driver.power[0], driver.temperature[0], driver.ecc_errors[1] = 70_000, 55, 3
    driver.energy[0] = 5_000_000
    hardware = Hardware(cpus=8, memory_mb=1000, gpus=(gpu(0), gpu(1)))
    monkeypatch.setattr(exporter, "gpu_loads", GpuLoads(driver))
    disk = SimpleNamespace(free_mb=lambda: 7)
    status: Any = SimpleNamespace(disk=disk, faults=SimpleNamespace(out={1: "Xid 79"}))
    return NodeView("n1", "1.0", hardware, status, lambda: KNOWN, lambda: QueueProbeResult(consuming=True))
