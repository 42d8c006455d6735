"""What no node has: the answer to a request that cannot run on any of them even when they are empty."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scheduling.placement.filters import GPU_FILTERS, SIZE_FILTERS, could_hold, suitable
from scheduling.reasons import gigabytes, listed, quantity
from scheduling.resources import Request
from scheduling.snapshot import NodeView


@dataclass(frozen=True, slots=True)
class Lack:
    """One part of a request that is more than any node has, and by how much."""

    name: str
    sentence: str
    shortfall: Mapping[str, int]


def what_is_lacking(request: Request, nodes: Sequence[NodeView], kind: str) -> tuple[Lack, ...]:
    """Nothing, if a node could hold the request. `kind` says in the sentences which nodes these are."""
    if any(could_hold(request, node) for node in nodes):
        return ()
    pool, lacks, beside = list(nodes), [], ""
    if request.gpus:
        lack, pool = _gpus_lacking(request, pool, kind)
        if lack:
            lacks.append(lack)
        else:
            beside = f" with {gpus_in_words(request)}"
    for size in SIZE_FILTERS:
        passing = [node for node in pool if size.passes(request, node)]
        if not passing:
            lacks.append(_size_lacking(request, pool, size.name, f"{kind}{beside}"))
        pool = passing or pool
    return tuple(lacks)


def gpus_in_words(request: Request) -> str:
    """The GPUs that a request asks for: "2 GPUs of model h100 with 40 GB each"."""
    return f"{quantity('gpus', request.gpus)}{_constraints(request)}"


def _constraints(request: Request) -> str:
    model = f" of model {request.gpu_model}" if request.gpu_model else ""
    memory = f" with {gigabytes(request.gpu_memory_mb)} each" if request.gpu_memory_mb else ""
    return model + memory


def _gpus_lacking(request: Request, nodes: list[NodeView], kind: str) -> tuple[Lack | None, list[NodeView]]:
    """The first question about GPUs that no node passes; or else the nodes that pass them all."""
    pool = nodes
    for position, one in enumerate(GPU_FILTERS):
        passing = [node for node in pool if one.passes(request, node)]
        if not passing:
            explain = (_no_gpu, _no_such_model, _too_little_gpu_memory, _too_few_gpus)[position]
            return explain(request, pool, kind), nodes
        pool = passing
    return None, pool


def _no_gpu(request: Request, _pool: list[NodeView], kind: str) -> Lack:
    return Lack("gpus", f"Needs {gpus_in_words(request)}; no {kind} has any.", {"gpus": request.gpus})


def _no_such_model(request: Request, pool: list[NodeView], kind: str) -> Lack:
    known = listed(sorted({gpu.model for node in pool for gpu in node.gpus}))
    sentence = f"Needs a GPU of model {request.gpu_model}; no {kind} has one. The models there are: {known}."
    return Lack("gpu_model", sentence, {"gpus": request.gpus})


def _too_little_gpu_memory(request: Request, pool: list[NodeView], kind: str) -> Lack:
    model = f" of model {request.gpu_model}" if request.gpu_model else ""
    largest, node = _largest(
        (
            max(gpu.memory_mb for gpu in suitable(Request(gpus=1, gpu_model=request.gpu_model), node.gpus)),
            node.name,
        )
        for node in pool
    )
    sentence = (
        f"Needs {gigabytes(request.gpu_memory_mb)} of memory on each GPU; "
        f"no {kind} has a GPU{model} with more than {gigabytes(largest)} ({node})."
    )
    return Lack("gpu_memory_mb", sentence, {"gpu_memory_mb": request.gpu_memory_mb - largest})


def _too_few_gpus(request: Request, pool: list[NodeView], kind: str) -> Lack:
    largest, node = _largest((len(suitable(request, node.gpus)), node.name) for node in pool)
    sentence = f"Needs {gpus_in_words(request)}; no {kind} has more than {largest} of them ({node})."
    return Lack("gpus", sentence, {"gpus": request.gpus - largest})


def _size_lacking(request: Request, pool: list[NodeView], name: str, kind: str) -> Lack:
    largest, node = _largest((getattr(node, name), node.name) for node in pool)
    asked = getattr(request, name)
    sentence = f"Needs {quantity(name, asked)}; no {kind} has more than {quantity(name, largest)} ({node})."
    return Lack(name, sentence, {name: asked - largest})


def _largest(sizes: Iterable[tuple[int, str]]) -> tuple[int, str]:
    """The largest size and who has it; of several the first by name."""
    return min(sizes, key=lambda size: (-size[0], size[1]))
