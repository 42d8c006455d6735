"""How much of a machine: amounts that are held, and requests that ask for them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from scheduling.errors import FieldError, InvalidError

WHOLE_GPU = 1_000
"""Thousandths of a GPU in a whole one."""


@dataclass(frozen=True, slots=True)
class Resources:
    """CPU cores, memory and GPUs, as one quantity. `gpu_milli` are parts of GPUs beside the whole ones, in thousandths."""

    cpus: int = 0
    memory_mb: int = 0
    gpus: int = 0
    gpu_milli: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            self.cpus + other.cpus,
            self.memory_mb + other.memory_mb,
            self.gpus + other.gpus,
            self.gpu_milli + other.gpu_milli,
        )

    def __sub__(self, other: "Resources") -> "Resources":
        return self + other * -1

    def __mul__(self, times: int) -> "Resources":
        return Resources(self.cpus * times, self.memory_mb * times, self.gpus * times, self.gpu_milli * times)

    @property
    def all_gpu_milli(self) -> int:
        """Whole GPUs and parts together, in thousandths."""
        return self.gpus * WHOLE_GPU + self.gpu_milli

    @property
    def all_gpus(self) -> float:
        """Whole GPUs and parts together."""
        return self.all_gpu_milli / WHOLE_GPU

    def fits_in(self, other: "Resources") -> bool:
        return (
            self.cpus <= other.cpus and self.memory_mb <= other.memory_mb and self.all_gpu_milli <= other.all_gpu_milli
        )

    def shortfall_in(self, free: "Resources") -> dict[str, int]:
        """What is missing in `free`, by name; only what is missing is named. A missing part counts as a GPU."""
        missing = {
            "gpus": -((free.all_gpu_milli - self.all_gpu_milli) // WHOLE_GPU),
            "cpus": self.cpus - free.cpus,
            "memory_mb": self.memory_mb - free.memory_mb,
        }
        return {name: amount for name, amount in missing.items() if amount > 0}


ZERO = Resources()


def total(amounts: Iterable[Resources]) -> Resources:
    """The sum of many amounts."""
    cpus = memory_mb = gpus = gpu_milli = 0
    for one in amounts:
        cpus += one.cpus
        memory_mb += one.memory_mb
        gpus += one.gpus
        gpu_milli += one.gpu_milli
    return Resources(cpus, memory_mb, gpus, gpu_milli)


def ordered_labels(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The labels of a request as it keeps them: equal ones are equal, in whatever order they were written."""
    return tuple(sorted(labels.items()))


@dataclass(frozen=True)
class Request:
    """What a job asks for on each of its nodes. `gpu_memory_mb` is the least that each of its GPUs must have.

    `labels` are names and values that each node must have, `executor` who runs what is placed there: agents, the clusters
    of a kind, or one cluster; empty: anybody. A job may ask for a part of one GPU, `gpu_milli` thousandths
    of it: such a part is planned and counted, but agents isolate whole GPUs only, so no live job asks for one.
    """

    cpus: int = 1
    memory_mb: int = 0
    gpus: int = 0
    gpu_memory_mb: int = 0
    gpu_model: str = ""
    nodes: int = 1
    labels: tuple[tuple[str, str], ...] = ()
    gpu_milli: int = WHOLE_GPU
    executor: str = ""

    def __post_init__(self) -> None:
        if self.gpu_milli != WHOLE_GPU and not (0 < self.gpu_milli < WHOLE_GPU and self.gpus == 1):
            message = f"Must be between 1 and {WHOLE_GPU}, and less than {WHOLE_GPU} only of one GPU."
            raise InvalidError([FieldError("gpu_milli", message)])

    @property
    def is_choosy(self) -> bool:
        """Whether it asks for more of a node than that it is large enough."""
        return bool(self.labels or self.executor)

    @property
    def is_part_of_gpu(self) -> bool:
        return self.gpu_milli < WHOLE_GPU

    @cached_property
    def amount(self) -> Resources:
        """What it holds on one node."""
        if self.is_part_of_gpu:
            return Resources(self.cpus, self.memory_mb, 0, self.gpu_milli)
        return Resources(self.cpus, self.memory_mb, self.gpus)

    @cached_property
    def total(self) -> Resources:
        """What it holds on all its nodes together."""
        return self.amount if self.nodes == 1 else self.amount * self.nodes

    @property
    def hardware(self) -> str:
        return "gpu" if self.gpus else "cpu"
