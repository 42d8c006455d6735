"""How much of the free GPUs of nodes is useless for usual jobs, and how a request would change that."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scheduling.nodes.feasibility import suits
from scheduling.nodes.free_nodes import FreeNode
from scheduling.placement.workload import Workload
from scheduling.resources import Request

Ints: TypeAlias = NDArray[np.int64]
MOST_REMEMBERED = 200_000


class Option(NamedTuple):
    """The best that a request can do on a node: by how many thousandths of GPUs the fragments grow.

    `position` says for a part of a GPU which of the node's it comes from, in their order.
    """

    growth: float
    position: int


class _After(NamedTuple):
    """A node as it would be: CPUs, memory and what is left of each GPU."""

    node: FreeNode
    cpus: int
    memory_mb: int
    left: tuple[int, ...]
    position: int


class Fragmentation:
    """The fragments of nodes, for one workload. What was worked out is remembered: like nodes are looked at once."""

    def __init__(self, usual: Workload) -> None:
        self._usual = usual
        self._weights: Ints = np.array(usual.counts, dtype=np.int64)
        self._cpus: Ints = np.array([one.cpus for one in usual.shapes])
        self._memory: Ints = np.array([one.memory_mb for one in usual.shapes])
        self._gpus: Ints = np.array([one.gpus for one in usual.shapes])
        self._milli: Ints = np.array([one.gpu_milli for one in usual.shapes])
        self._suitable: dict[Hashable, NDArray[np.bool_]] = {}
        self._known: dict[Request, dict[Hashable, Option]] = {}

    def of(self, node: FreeNode) -> float:
        """The node's expected fragments, in thousandths of a GPU."""
        here = _After(node, node.cpus, node.memory_mb, node.left, 0)
        return float(self._fragments([here])[0] / self._weights.sum())

    def best_options(
        self, request: Request, nodes: Sequence[FreeNode], ceiling: Mapping[int, FreeNode]
    ) -> list[Option]:
        """For each node, all of which have a place for the request, the least growth that it can bring."""
        if sum(map(len, self._known.values())) > MOST_REMEMBERED:
            self._known.clear()
        known = self._known.setdefault(request, {})
        keys = [_state(node, ceiling) for node in nodes]
        new = {key: node for key, node in zip(keys, nodes, strict=True) if key not in known}
        if new:
            known.update(zip(new, self._work_out(request, list(new.values()), ceiling), strict=True))
        return [known[key] for key in keys]

    def _work_out(
        self, request: Request, nodes: Sequence[FreeNode], ceiling: Mapping[int, FreeNode]
    ) -> Iterator[Option]:
        before = self._fragments([_After(node, node.cpus, node.memory_mb, node.left, 0) for node in nodes])
        choices = [_choices(request, node, ceiling.get(node.number)) for node in nodes]
        after = self._fragments([one for choice in choices for one in choice])
        scale = float(self._weights.sum())
        start = 0
        for number, choice in enumerate(choices):
            growths = after[start : start + len(choice)] - before[number]
            start += len(choice)
            best = int(growths.argmin())
            yield Option(growths[best] / scale, choice[best].position)

    def _fragments(self, rows: Sequence[_After]) -> Ints:
        """Summed over the usual jobs, not yet divided by their number: whole numbers, so that equal is equal."""
        most = max(len(row.left) for row in rows)
        left: Ints = np.array([row.left + (0,) * (most - len(row.left)) for row in rows], dtype=np.int64)
        left = left.reshape(len(rows), 1, most)
        suits_it = np.stack([self._suits(row.node, most) for row in rows])
        usable = suits_it & (left >= self._milli[None, :, None])
        fits = (
            (usable.sum(axis=2) >= self._gpus)
            & (self._gpus > 0)
            & (np.array([[row.cpus] for row in rows]) >= self._cpus)
            & (np.array([[row.memory_mb] for row in rows]) >= self._memory)
        )
        useless = left.sum(axis=2) - fits * (left * usable).sum(axis=2)
        fragments: Ints = useless @ self._weights
        return fragments

    def _suits(self, node: FreeNode, most: int) -> NDArray[np.bool_]:
        """Which of the node's GPUs suit which usual job, made up to `most` GPUs."""
        key = (_make(node), len(node.order))
        if key not in self._suitable:
            table = [[suits(shape, gpu) for gpu in node.order] for shape in self._usual.shapes]
            self._suitable[key] = np.array(table, dtype=bool).reshape(len(self._usual.shapes), len(node.order))
        found = self._suitable[key]
        return np.pad(found, ((0, 0), (0, most - found.shape[1])))


def _make(node: FreeNode) -> Hashable:
    """What its GPUs are. Where they are all of one kind, that says it, and is compared faster."""
    return node.kind if len(node.kind) == 1 else node.order


def _state(node: FreeNode, ceiling: Mapping[int, FreeNode]) -> Hashable:
    """Nodes that are in the same state are alike for every request."""
    under = ceiling.get(node.number)
    return (_make(node), node.cpus, node.memory_mb, node.left, under and under.left)


def _choices(request: Request, node: FreeNode, under: FreeNode | None) -> list[_After]:
    """What may become of the node: for a part of a GPU one for each GPU that differs, the one with least left first."""
    cpus, memory_mb = node.cpus - request.cpus, node.memory_mb - request.memory_mb
    if not request.gpus:
        return [_After(node, cpus, memory_mb, node.left, 0)]
    if not request.is_part_of_gpu:
        given = set(node.gpus_for(request, under) or ())
        left = tuple(0 if gpu.index in given else milli for gpu, milli in zip(node.order, node.left, strict=True))
        return [_After(node, cpus, memory_mb, left, 0)]
    return [
        _After(node, cpus, memory_mb, _less(node.left, position, request.gpu_milli), position)
        for position in _positions(request, node, under)
    ]


def _positions(request: Request, node: FreeNode, under: FreeNode | None) -> Iterable[int]:
    able = {index: left for left, _, index in node.parts_for(request, under)}
    different: dict[tuple[int, str, int], int] = {}
    for position, gpu in enumerate(node.order):
        if gpu.index in able:
            different.setdefault((node.left[position], gpu.model, gpu.memory_mb), position)
    return [position for _, position in sorted(different.items())]


def _less(left: tuple[int, ...], position: int, milli: int) -> tuple[int, ...]:
    return (*left[:position], left[position] - milli, *left[position + 1 :])
