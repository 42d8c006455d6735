"""What no node has: the answer to a request that cannot run on any of them even when they are empty."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scheduling import environments
from scheduling.executors import AGENT
from scheduling.memory_units import gpu_gigabytes_there
from scheduling.nodes.feasibility import (
    could_hold,
    has_cpus,
    has_gpu_count,
    has_gpu_memory,
    has_gpu_model,
    has_gpus,
    has_labels,
    has_memory,
    has_model,
    is_run_by,
    suitable,
)
from scheduling.reasons import gpu_gigabytes, in_gigabytes, listed, quantity
from scheduling.resources import Request
from scheduling.snapshot import NodeView


@dataclass(frozen=True, slots=True)
class Lack:
    """One part of a request that is more than any node has, and by how much."""

    name: str
    sentence: str
    shortfall: Mapping[str, int]


def what_is_lacking(request: Request, nodes: Sequence[NodeView], kind: str) -> tuple[Lack, ...]:
    """Nothing, if a node could hold the request. `kind` says in the sentences which nodes these are.

    Each part is held against the nodes that have all the parts before it; a part that none has is named and passed over.
    """
    if any(could_hold(request, node) for node in nodes):
        return ()
    run = [node for node in nodes if is_run_by(request, node)]
    if not run:
        words = f"Asks for {executor_in_words(request.executor)}; no {kind} is run by that."
        return (Lack("executor", words, {}),)
    labelled = [node for node in run if has_labels(request, node)]
    if not labelled and (missing := _environments_lacking(request, run)):
        words = listed(environments.in_words(label) for label in missing)
        return (Lack("environment", f"Its environment needs a node with {words}; no {kind} has that.", {}),)
    if not labelled:
        return (Lack("labels", f"Needs a node with {_labels_in_words(request)}; no {kind} is like that.", {}),)
    return tuple(_parts_lacking(request, labelled, kind))


def _parts_lacking(request: Request, nodes: list[NodeView], kind: str) -> list[Lack]:
    lacks: list[Lack] = []
    pool = nodes
    beside = (
        [_labels_in_words(request)] if request.labels else []
    )  # what the nodes in the pool have and others have not
    if request.gpus:
        able, lack = _gpus_lacking(request, pool, kind)
        if lack:
            lacks.append(lack)
        elif len(able) < len(pool):
            pool = able
            beside.append(gpus_in_words(request))
    for name, has_it in SIZES.items():
        passing = [node for node in pool if has_it(request, node)]
        if not passing:
            lacks.append(_size_lacking(request, pool, name, f"{kind} with {listed(beside)}" if beside else kind))
        elif len(passing) < len(pool):
            pool = passing
            beside.append(quantity(name, getattr(request, name)))
    return lacks


def gpus_in_words(request: Request) -> str:
    """The GPUs that a request asks for: "2 GPUs of model h100 with 40 GB each"."""
    return f"{quantity('gpus', request.gpus)}{_constraints(request)}"


def executor_in_words(executor: str) -> str:
    """For example: "executor kubernetes"."""
    return "agents" if executor == AGENT else f"executor {executor}"


def _environments_lacking(request: Request, nodes: Sequence[NodeView]) -> list[str]:
    """What the job's environment needs and none has of the nodes that are like it otherwise."""
    asked = [(name, value) for name, value in request.labels if environments.is_about_environments(name)]
    others = replace(request, labels=tuple(each for each in request.labels if each not in asked))
    alike = [node for node in nodes if has_labels(others, node)]
    return [name for name, value in asked if alike and all(node.labels.get(name) != value for node in alike)]


def _labels_in_words(request: Request) -> str:
    word = "label" if len(request.labels) == 1 else "labels"
    return f"the {word} {listed(f'{name}={value}' for name, value in request.labels)}"


def _constraints(request: Request) -> str:
    model = f" of model {request.gpu_model}" if request.gpu_model else ""
    memory = f" with {gpu_gigabytes(request.gpu_memory_mb)} each" if request.gpu_memory_mb else ""
    return model + memory


def _gpus_lacking(request: Request, nodes: list[NodeView], kind: str) -> tuple[list[NodeView], Lack | None]:
    """The nodes that have such GPUs; or none, and what all of them lack."""
    pool = nodes
    for has_it, explain in GPU_STEPS:
        passing = [node for node in pool if has_it(request, node)]
        if not passing:
            return [], explain(request, pool, kind)
        pool = passing
    return pool, None


def _no_gpu(request: Request, _pool: list[NodeView], kind: str) -> Lack:
    return Lack("gpus", f"Needs {gpus_in_words(request)}; no {kind} has any.", {"gpus": request.gpus})


def _no_such_model(request: Request, pool: list[NodeView], kind: str) -> Lack:
    known = listed(sorted({gpu.model or "unknown" for node in pool for gpu in node.gpus}))
    sentence = f"Needs a GPU of model {request.gpu_model}; no {kind} has one. The models there are: {known}."
    return Lack("gpu_model", sentence, {"gpus": request.gpus})


def _too_little_gpu_memory(request: Request, pool: list[NodeView], kind: str) -> Lack:
    model = f" of model {request.gpu_model}" if request.gpu_model else ""
    largest, node = _largest(
        (gpu.memory_mb, node.name) for node in pool for gpu in node.gpus if has_model(request, gpu)
    )
    sentence = (
        f"Needs {gpu_gigabytes(request.gpu_memory_mb)} of memory on each GPU; "
        f"no {kind} has a GPU{model} with more than {in_gigabytes(gpu_gigabytes_there(largest))} ({node})."
    )
    return Lack("gpu_memory_mb", sentence, {"gpu_memory_mb": request.gpu_memory_mb - largest})


def _too_few_gpus(request: Request, pool: list[NodeView], kind: str) -> Lack:
    largest, node = _largest((len(suitable(request, node.gpus)), node.name) for node in pool)
    sentence = f"Needs {gpus_in_words(request)}; no {kind} has more than {largest} of them ({node})."
    return Lack("gpus", sentence, {"gpus": request.gpus - largest})


GPU_STEPS = (
    (has_gpus, _no_gpu),
    (has_gpu_model, _no_such_model),
    (has_gpu_memory, _too_little_gpu_memory),
    (has_gpu_count, _too_few_gpus),
)
SIZES = {"cpus": has_cpus, "memory_mb": has_memory}


def _size_lacking(request: Request, pool: list[NodeView], name: str, kind: str) -> Lack:
    largest, node = _largest((getattr(node, name), node.name) for node in pool)
    asked = getattr(request, name)
    sentence = f"Needs {quantity(name, asked)}; no {kind} has more than {quantity(name, largest)} ({node})."
    return Lack(name, sentence, {name: asked - largest})


def _largest(sizes: Iterable[tuple[int, str]]) -> tuple[int, str]:
    """The largest size and who has it; of several the first by name."""
    return min(sizes, key=lambda size: (-size[0], size[1]))
