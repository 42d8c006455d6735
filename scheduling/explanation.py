"""Why a request fits on no node now, in numbers and in a sentence."""

from collections.abc import Iterable, Sequence

from scheduling.capacity import FreeNode, FreeNodes
from scheduling.placement.filters import could_hold, suitable, takes_jobs
from scheduling.placement.hardware import gpus_in_words, what_is_lacking
from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode, listed, quantity
from scheduling.resources import Amount, Request
from scheduling.snapshot import NodeView


def why_no_node(request: Request, nodes: Sequence[NodeView], free: FreeNodes) -> tuple[Reason, ...]:
    """Asked when `best_fit` found nothing: no node is up, none is big enough, or those that are are taken."""
    up = [node for node in nodes if takes_jobs(node)]
    if not up:
        return (Reason(ReasonCode.NO_NODE),)
    able = [node for node in free.nodes if could_hold(request, node.view)]
    if not able:
        lacks = what_is_lacking(request, up, "node that is up")
        return tuple(Reason(ReasonCode.HARDWARE, lack.sentence, lack.shortfall) for lack in lacks)
    return (_taken(request, able),)


def _taken(request: Request, able: Iterable[FreeNode]) -> Reason:
    """The node that comes closest: least GPUs missing, then CPUs, then memory, then the first by name."""
    best = min(able, key=lambda node: (*_missing(request, node), node.number))
    free = _usable(request, best)
    shortfall = request.amount.shortfall_in(free)
    return Reason(
        ReasonCode.RESOURCES,
        _sentence(request, best, free, list(shortfall)),
        shortfall,
        tuple(best.holders[:HOLDERS_SHOWN]),
    )


def _usable(request: Request, node: FreeNode) -> Amount:
    """What is free there, counting only the GPUs that suit."""
    return Amount(node.cpus, node.memory_mb, len(suitable(request, node.gpus)))


def _missing(request: Request, node: FreeNode) -> tuple[int, int, int]:
    gpus = max(0, request.gpus - len(suitable(request, node.gpus))) if request.gpus and node.gpus else request.gpus
    return (gpus, max(0, request.cpus - node.cpus), max(0, request.memory_mb - node.memory_mb))


def _sentence(request: Request, best: FreeNode, free: Amount, short: list[str]) -> str:
    """For example: "Needs 2 GPUs; node gpu-1 has the most free: 1 of 8." Longer only where it has to be."""
    total = _total(request, best)
    if short == [_first_need(request)]:
        name = short[0]
        return f"Needs {_needs(request)[name]}; node {best.view.name} has the most free: {_of(name, free, total)}."
    has = listed(f"{_of(name, free, total)} {_noun(name)}" for name in short)
    needs = listed(_needs(request).values())
    return f"Needs {needs} on one node; node {best.view.name} comes closest, with {has} free."


def _total(request: Request, node: FreeNode) -> Amount:
    return Amount(node.view.cpus, node.view.memory_mb, len(suitable(request, node.view.gpus)))


def _first_need(request: Request) -> str:
    return "gpus" if request.gpus else "cpus"


def _needs(request: Request) -> dict[str, str]:
    needs = {"cpus": quantity("cpus", request.cpus)}
    if request.gpus:
        needs = {"gpus": gpus_in_words(request), **needs}
    if request.memory_mb:
        needs["memory_mb"] = quantity("memory_mb", request.memory_mb)
    return needs


def _of(name: str, free: Amount, total: Amount) -> str:
    """How much is free of how much: "1 of 8", "2 GB of 64 GB"."""
    have, of = getattr(free, name), getattr(total, name)
    if name != "memory_mb":
        return f"{have} of {of}"
    return f"{quantity(name, have).removesuffix(' of memory')} of {quantity(name, of).removesuffix(' of memory')}"


def _noun(name: str) -> str:
    return {"gpus": "GPUs", "cpus": "CPUs", "memory_mb": "memory"}[name]
