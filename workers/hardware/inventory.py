"""What this machine has: processors and memory it may use, and GPUs; measured, or declared by its operator."""

import os
import socket
from dataclasses import asdict, dataclass, replace
from typing import Any

import psutil

from scheduling.errors import FieldError, InvalidError
from workers.hardware import allocation, cgroup_limits
from workers.hardware.gpus import GpuDevice, GpuLoads, detect_gpus

__all__ = ["GpuDevice", "Hardware", "current_load", "declare", "gpu_loads", "inventory"]

MIB = 1024 * 1024
MB_PER_GB = 1024
SIMULATED_MODEL = "simulated"
SIMULATED_MEMORY_GB = 16

gpu_loads = GpuLoads()


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one machine offers to jobs."""

    cpus: int
    memory_mb: int
    gpus: tuple[GpuDevice, ...] = ()
    hostname: str = ""
    address: str = ""

    def gpus_json(self) -> list[dict[str, Any]]:
        """As the `gpus` of a node."""
        return [asdict(gpu) for gpu in self.gpus]


def inventory() -> Hardware:
    """What this process may use here: less than the machine has, inside a container or a batch job."""
    allowed, given = cgroup_limits.limits(), allocation.of_slurm(os.environ)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if given is None else given.gpus
    given = given or allocation.Allocation()
    return Hardware(
        cpus=max(1, int(min(len(os.sched_getaffinity(0)), allowed.cpus, given.cpus))),
        memory_mb=int(min(psutil.virtual_memory().total // MIB, allowed.memory_bytes // MIB, given.memory_mb)),
        gpus=detect_gpus(visible),
        hostname=socket.gethostname(),
    )


def declare(
    measured: Hardware,
    *,
    cpus: int | None = None,
    memory_gb: float | None = None,
    gpus: int | None = None,
    gpu_model: str | None = None,
    gpu_memory_gb: float | None = None,
) -> Hardware:
    """What the operator offers instead. GPUs beyond the measured ones are simulated, and say so."""
    refuse_nonsense(cpus=cpus, memory_gb=memory_gb, gpus=gpus, gpu_memory_gb=gpu_memory_gb)
    simulated = GpuDevice(
        index=0,
        model=gpu_model or SIMULATED_MODEL,
        memory_mb=int((gpu_memory_gb or SIMULATED_MEMORY_GB) * MB_PER_GB),
        simulated=True,
    )
    return replace(
        measured,
        cpus=measured.cpus if cpus is None else cpus,
        memory_mb=measured.memory_mb if memory_gb is None else int(memory_gb * MB_PER_GB),
        gpus=measured.gpus if gpus is None else with_simulated(measured.gpus, gpus, simulated),
    )


def refuse_nonsense(*, gpus: int | None, **positive: float | None) -> None:
    errors = [
        FieldError(name, f"must be greater than 0, not {value:g}")
        for name, value in positive.items()
        if value is not None and not 0 < value < float("inf")
    ]
    if gpus is not None and gpus < 0:
        errors.append(FieldError("gpus", f"must be 0 or more, not {gpus}"))
    if errors:
        raise InvalidError(errors)


def with_simulated(measured: tuple[GpuDevice, ...], count: int, simulated: GpuDevice) -> tuple[GpuDevice, ...]:
    first = 1 + max((gpu.index for gpu in measured), default=-1)
    missing = range(first, first + count - len(measured))
    return measured[:count] + tuple(replace(simulated, index=index) for index in missing)


def current_load(hardware: Hardware) -> dict[str, Any]:
    """How busy the machine is: processors since the last call, memory and GPUs now."""
    return {
        "cpu_percent": psutil.cpu_percent(),
        "memory_used_mb": memory_used_mb(hardware),
        "gpus": gpu_loads.latest(hardware.gpus),
    }


def memory_used_mb(hardware: Hardware) -> int:
    """Of the machine, or of the group that this process is in, where that has less memory."""
    memory = psutil.virtual_memory()
    used = memory.total - memory.available
    if hardware.memory_mb < memory.total // MIB:
        used = int(cgroup_limits.memory_used() or used)
    return used // MIB
