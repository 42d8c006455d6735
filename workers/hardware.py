"""What this machine has: processors and memory it may use, and GPUs; measured, or declared by its operator."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GpuDevice:
    """One GPU. A simulated one is only a number to schedule with: no process can compute on it."""

    index: int
    model: str
    memory_mb: int
    uuid: str = ""
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one machine offers to jobs."""

    cpus: int
    memory_mb: int
    gpus: tuple[GpuDevice, ...] = ()
    hostname: str = ""

    def gpus_json(self) -> list[dict[str, Any]]:
        return [asdict(gpu) for gpu in self.gpus]
