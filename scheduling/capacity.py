"""What is free on each node during one planning pass: a working copy that only shrinks."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import TypeAlias

from scheduling.placement.filters import GpuKind, kind_of, takes_jobs
from scheduling.resources import Amount
from scheduling.snapshot import NodeView, RunningJob, Share, Snapshot

Entry: TypeAlias = tuple[int, int, int, int]
"""A node on its shelf: free GPUs, free CPUs, free memory, and its number."""


class FreeNode:
    """What is left of one node, and who holds the rest. Its GPUs are in the order in which they are given away."""

    __slots__ = ("cpus", "gpus", "holders", "kind", "memory_mb", "number", "view")

    def __init__(self, view: NodeView, number: int) -> None:
        self.view = view
        self.number = number
        self.kind = kind_of(view)
        self.cpus = view.cpus
        self.memory_mb = view.memory_mb
        self.gpus = sorted(view.gpus, key=lambda gpu: (gpu.memory_mb, gpu.index))
        self.holders: list[int] = []

    @property
    def amount(self) -> Amount:
        return Amount(self.cpus, self.memory_mb, len(self.gpus))

    @property
    def entry(self) -> Entry:
        return (len(self.gpus), self.cpus, self.memory_mb, self.number)

    def take(self, share: Share, holder: int) -> None:
        """Never below zero: a node may come back smaller than what still runs on it."""
        self.cpus = max(0, self.cpus - share.amount.cpus)
        self.memory_mb = max(0, self.memory_mb - share.amount.memory_mb)
        if share.gpu_indices:
            self.gpus = [gpu for gpu in self.gpus if gpu.index not in share.gpu_indices]
        self.holders.append(holder)


class FreeNodes:
    """The nodes that take jobs, on a shelf for each kind of GPU, sorted by how much is free: the fullest first."""

    def __init__(self, nodes: Iterable[NodeView], running: Iterable[RunningJob] = ()) -> None:
        views = sorted((node for node in nodes if takes_jobs(node)), key=lambda node: node.name)
        self.nodes = [FreeNode(view, number) for number, view in enumerate(views)]
        self._by_name = {node.view.name: node for node in self.nodes}
        for job in running:
            for share in job.shares:
                if share.node in self._by_name:
                    self._by_name[share.node].take(share, job.id)
        self.shelves: dict[GpuKind, list[Entry]] = {}
        for node in self.nodes:
            self.shelves.setdefault(node.kind, []).append(node.entry)
        for shelf in self.shelves.values():
            shelf.sort()

    @classmethod
    def of(cls, snapshot: Snapshot) -> "FreeNodes":
        return cls(snapshot.nodes, snapshot.running)

    def __getitem__(self, name: str) -> FreeNode:
        return self._by_name[name]

    def take(self, share: Share, *, holder: int) -> None:
        """Gives a share of a node away; the node moves to its new place on its shelf."""
        node = self._by_name[share.node]
        shelf = self.shelves[node.kind]
        del shelf[bisect_left(shelf, node.entry)]
        node.take(share, holder)
        insort(shelf, node.entry)
