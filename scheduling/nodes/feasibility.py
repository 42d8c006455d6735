"""Which nodes can take a request, asked from cheap to dear."""

from collections.abc import Iterable
from typing import TypeAlias

from scheduling import gpu_models
from scheduling.resources import Request
from scheduling.snapshot import Gpu, NodeView

GpuKind: TypeAlias = tuple[tuple[str, int], ...]
"""The kinds of GPU in a machine: each model with its memory. Empty: a machine without."""


def takes_jobs(node: NodeView) -> bool:
    return node.state == "up" and node.alive


def kind_of(node: NodeView) -> GpuKind:
    return tuple(sorted({(gpu.model, gpu.memory_mb) for gpu in node.gpus}))


def has_labels(request: Request, node: NodeView) -> bool:
    """Whether the node has every label that is asked for, with exactly that value."""
    return all(node.labels.get(name) == value for name, value in request.labels)


def is_run_by(request: Request, node: NodeView) -> bool:
    """Whether who is asked for runs what is placed there."""
    return not request.executor or request.executor in (node.executor, node.cluster)


def suits_choice(request: Request, node: NodeView) -> bool:
    """Whether the node is one of those that the request chooses among, however large."""
    return is_run_by(request, node) and has_labels(request, node)


def has_model(request: Request, gpu: Gpu) -> bool:
    return gpu_models.matches(request.gpu_model, gpu.model, gpu.memory_mb)


def kind_suits(request: Request, model: str, memory_mb: int) -> bool:
    return memory_mb >= request.gpu_memory_mb and gpu_models.matches(request.gpu_model, model, memory_mb)


def suits(request: Request, gpu: Gpu) -> bool:
    return kind_suits(request, gpu.model, gpu.memory_mb)


def suitable(request: Request, gpus: Iterable[Gpu]) -> list[Gpu]:
    return [gpu for gpu in gpus if suits(request, gpu)]


def has_gpus(_: Request, node: NodeView) -> bool:
    return bool(node.gpus)


def has_gpu_model(request: Request, node: NodeView) -> bool:
    return any(has_model(request, gpu) for gpu in node.gpus)


def has_gpu_memory(request: Request, node: NodeView) -> bool:
    return any(suits(request, gpu) for gpu in node.gpus)


def has_gpu_count(request: Request, node: NodeView) -> bool:
    return len(suitable(request, node.gpus)) >= request.gpus


def has_cpus(request: Request, node: NodeView) -> bool:
    return node.cpus >= request.cpus


def has_memory(request: Request, node: NodeView) -> bool:
    return node.memory_mb >= request.memory_mb


def could_hold(request: Request, node: NodeView) -> bool:
    """Whether the node would do if it were empty."""
    return (
        suits_choice(request, node)
        and has_cpus(request, node)
        and has_memory(request, node)
        and (not request.gpus or (len(node.gpus) >= request.gpus and has_gpu_count(request, node)))
    )
