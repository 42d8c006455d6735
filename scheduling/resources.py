"""How much of a machine: amounts that are held, and requests that ask for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Amount:
    """CPU cores, memory and GPUs, as one quantity."""

    cpus: int = 0
    memory_mb: int = 0
    gpus: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.cpus + other.cpus, self.memory_mb + other.memory_mb, self.gpus + other.gpus)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.cpus - other.cpus, self.memory_mb - other.memory_mb, self.gpus - other.gpus)

    def __mul__(self, times: int) -> "Amount":
        return Amount(self.cpus * times, self.memory_mb * times, self.gpus * times)

    def fits_in(self, other: "Amount") -> bool:
        return self.cpus <= other.cpus and self.memory_mb <= other.memory_mb and self.gpus <= other.gpus

    def shortfall_in(self, free: "Amount") -> dict[str, int]:
        """What is missing in `free`, by name; only what is missing is named."""
        missing = {
            "gpus": self.gpus - free.gpus,
            "cpus": self.cpus - free.cpus,
            "memory_mb": self.memory_mb - free.memory_mb,
        }
        return {name: amount for name, amount in missing.items() if amount > 0}


ZERO = Amount()


def total(amounts: Iterable[Amount]) -> Amount:
    """The sum of many amounts."""
    cpus = memory_mb = gpus = 0
    for one in amounts:
        cpus += one.cpus
        memory_mb += one.memory_mb
        gpus += one.gpus
    return Amount(cpus, memory_mb, gpus)


@dataclass(frozen=True)
class Request:
    """What a job asks for on each of its nodes. `gpu_memory_mb` is the least that each of its GPUs must have."""

    cpus: int = 1
    memory_mb: int = 0
    gpus: int = 0
    gpu_memory_mb: int = 0
    gpu_model: str = ""
    nodes: int = 1

    @cached_property
    def amount(self) -> Amount:
        """What it holds on one node."""
        return Amount(self.cpus, self.memory_mb, self.gpus)

    @cached_property
    def total(self) -> Amount:
        """What it holds on all its nodes together."""
        return self.amount if self.nodes == 1 else self.amount * self.nodes

    @property
    def hardware(self) -> str:
        return "gpu" if self.gpus else "cpu"
