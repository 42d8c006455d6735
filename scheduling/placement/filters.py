"""Which nodes can take a request, asked from cheap to dear."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from scheduling.resources import Request
from scheduling.snapshot import Gpu, NodeView


def takes_jobs(node: NodeView) -> bool:
    return node.state == "up" and node.alive


def model_matches(request: Request, model: str) -> bool:
    """Part of the name is enough, in any case: "h100" asks for any H100."""
    return request.gpu_model.casefold() in model.casefold()


def suits(request: Request, gpu: Gpu) -> bool:
    return gpu.memory_mb >= request.gpu_memory_mb and model_matches(request, gpu.model)


def suitable(request: Request, gpus: Iterable[Gpu]) -> list[Gpu]:
    return [gpu for gpu in gpus if suits(request, gpu)]


class HardwareFilter(NamedTuple):
    """One question about the whole machine; `name` is the part of the request that it asks about."""

    name: str
    passes: Callable[[Request, NodeView], bool]


GPU_FILTERS = (
    HardwareFilter("gpus", lambda _, node: bool(node.gpus)),
    HardwareFilter("gpu_model", lambda request, node: any(model_matches(request, gpu.model) for gpu in node.gpus)),
    HardwareFilter("gpu_memory_mb", lambda request, node: any(suits(request, gpu) for gpu in node.gpus)),
    HardwareFilter("gpus", lambda request, node: len(suitable(request, node.gpus)) >= request.gpus),
)
SIZE_FILTERS = (
    HardwareFilter("cpus", lambda request, node: node.cpus >= request.cpus),
    HardwareFilter("memory_mb", lambda request, node: node.memory_mb >= request.memory_mb),
)


def hardware_filters(request: Request) -> tuple[HardwareFilter, ...]:
    return (*GPU_FILTERS, *SIZE_FILTERS) if request.gpus else SIZE_FILTERS


def could_hold(request: Request, node: NodeView) -> bool:
    """Whether the node would do if it were empty."""
    return all(one.passes(request, node) for one in hardware_filters(request))
