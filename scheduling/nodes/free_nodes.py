"""What is free on each node during one planning pass: a working copy from which shares are taken and given back."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from scheduling.nodes.feasibility import GpuKind, could_hold, kind_of, suitable, suits_choice, takes_jobs
from scheduling.resources import WHOLE_GPU, Request, Resources
from scheduling.snapshot import Allocation, Gpu, MoveRoom, NodeView, RunningJob, Snapshot

Entry: TypeAlias = tuple[int, int, int, int]
"""A node on its shelf: thousandths of GPUs that are free, free CPUs, free memory, and its number."""


class FreeNode:
    """What is left of one node, and who holds the rest. Its GPUs are in the order in which they are given away.

    `order` has all its GPUs, `gpus` those that are free as a whole. Never below zero: a node may come back smaller than what still runs on it. What is missing then is remembered, so
    that nothing is free before as much has been given back as the node really has.
    """

    __slots__ = (
        "_cpus",
        "_left",
        "_memory_mb",
        "cpus",
        "gpu_milli",
        "gpus",
        "held",
        "holders",
        "is_shared",
        "kind",
        "memory_mb",
        "number",
        "order",
        "view",
    )

    def __init__(self, view: NodeView, number: int) -> None:
        self.view = view
        self.number = number
        self.kind = kind_of(view)
        self.cpus = self._cpus = view.cpus
        self.memory_mb = self._memory_mb = view.memory_mb
        self.order = tuple(sorted(view.gpus, key=lambda gpu: (gpu.memory_mb, gpu.index))) if view.gpus else ()
        self.held: dict[int, int] = {}  # thousandths of each GPU that is not free: more than all if somebody lies
        self.gpus: Sequence[Gpu] = self.order  # those that are free as a whole
        self.gpu_milli = WHOLE_GPU * len(self.order)  # these and what is left of the others, in thousandths
        self.is_shared = False  # whether a part of a GPU has ever been taken
        self._left: tuple[int, ...] | None = None  # worked out when it is asked for
        self.holders: list[int] = []

    @property
    def amount(self) -> Resources:
        whole = len(self.gpus)
        return Resources(self.cpus, self.memory_mb, whole, self.gpu_milli - WHOLE_GPU * whole)

    @property
    def entry(self) -> Entry:
        return (self.gpu_milli, self.cpus, self.memory_mb, self.number)

    def copy(self) -> "FreeNode":
        """The same node, to be taken from and given to without changing this one."""
        other: FreeNode = object.__new__(FreeNode)
        other.view, other.number, other.kind, other.order = self.view, self.number, self.kind, self.order
        other.cpus, other._cpus = self.cpus, self._cpus
        other.memory_mb, other._memory_mb = self.memory_mb, self._memory_mb
        other.gpus, other.held = self.gpus, self.held.copy()  # the sequence of GPUs is replaced, never changed
        other.gpu_milli, other.is_shared, other._left = self.gpu_milli, self.is_shared, self._left
        other.holders = self.holders.copy()
        return other

    def allocate(self, share: Allocation, holder: int) -> None:
        self.hold(share, holder)
        if share.gpu_indices:
            self.count_gpus()

    def hold(self, share: Allocation, holder: int) -> None:
        """Allocate without counting the free GPUs again: for many shares in a row, and `count_gpus` after them."""
        amount = share.amount
        left = self._cpus = self._cpus - amount.cpus
        self.cpus = left if left > 0 else 0  # noqa: FURB136 - max() costs three times as much, and this runs often
        left = self._memory_mb = self._memory_mb - amount.memory_mb
        self.memory_mb = left if left > 0 else 0  # noqa: FURB136
        if share.gpu_indices:
            milli = amount.gpu_milli or WHOLE_GPU
            if milli < WHOLE_GPU:
                self.is_shared = True
            for index in share.gpu_indices:
                self.held[index] = self.held.get(index, 0) + milli
        self.holders.append(holder)

    def release(self, share: Allocation, holder: int) -> None:
        """The inverse of `allocate`: the holder gives its allocation back. It must have it."""
        self.unhold(share, holder)
        if share.gpu_indices:
            self.count_gpus()

    def unhold(self, share: Allocation, holder: int) -> None:
        """Release without counting the free GPUs again: for many shares in a row, and `count_gpus` after them."""
        self._cpus += share.amount.cpus
        self.cpus = max(0, self._cpus)
        self._memory_mb += share.amount.memory_mb
        self.memory_mb = max(0, self._memory_mb)
        if share.gpu_indices:
            milli = share.amount.gpu_milli or WHOLE_GPU
            for index in share.gpu_indices:
                self.held[index] -= milli
                if not self.held[index]:
                    del self.held[index]
        self.holders.remove(holder)

    def has(self, share: Allocation) -> bool:
        """Whether just this share is free."""
        amount, milli = share.amount, share.amount.gpu_milli or WHOLE_GPU
        return (
            amount.cpus <= self.cpus
            and amount.memory_mb <= self.memory_mb
            and all(self.held.get(index, 0) + milli <= WHOLE_GPU for index in share.gpu_indices)
        )

    def fits(self, request: Request) -> bool:
        """Whether the request's share of one node fits in what is free here."""
        return (
            request.cpus <= self.cpus
            and request.memory_mb <= self.memory_mb
            and (not request.gpus or self._has_gpus_for(request))
            and (not request.is_choosy or suits_choice(request, self.view))
        )

    def left_of(self, gpu: Gpu) -> int:
        """What is free of one GPU, in thousandths."""
        return max(0, WHOLE_GPU - self.held.get(gpu.index, 0))

    def gpus_for(self, request: Request, under: "FreeNode | None" = None) -> tuple[int, ...] | None:
        """The GPUs that the request would get: the smallest that do, then the lowest index; None if there are too few.

        `under` is the same node with what else may be used of it: only GPUs that are free in both count.
        A part of a GPU comes from the one of which least is left.
        """
        if request.is_part_of_gpu:
            parts = self.parts_for(request, under)
            return (min(parts)[-1],) if parts else None
        usable = self.gpus
        if under is not None:
            usable = [gpu for gpu in usable if gpu.index not in under.held]
        if request.gpu_model or request.gpu_memory_mb:
            usable = suitable(request, usable)
        if len(usable) < request.gpus:
            return None
        return tuple(sorted(gpu.index for gpu in usable[: request.gpus]))

    @property
    def left(self) -> tuple[int, ...]:
        """What is free of each GPU in thousandths, in the order of `order`."""
        if self._left is None:
            self._left = tuple(map(self.left_of, self.order))
        return self._left

    def parts_for(self, request: Request, under: "FreeNode | None" = None) -> list[tuple[int, int, int]]:
        """The GPUs of which the part is free: how much is left of it, its memory, its index."""
        limits = (self,) if under is None else (self, under)
        left = ((min(node.left_of(gpu) for node in limits), gpu) for gpu in suitable(request, self.order))
        return [(milli, gpu.memory_mb, gpu.index) for milli, gpu in left if milli >= request.gpu_milli]

    def _has_gpus_for(self, request: Request) -> bool:
        if request.gpu_model or request.gpu_memory_mb:
            return self.gpus_for(request) is not None
        if request.is_part_of_gpu:
            return max(self.left, default=0) >= request.gpu_milli
        return len(self.gpus) >= request.gpus

    def count_gpus(self) -> None:
        self._left = None
        self.gpus = [gpu for gpu in self.order if gpu.index not in self.held]
        whole = WHOLE_GPU * len(self.gpus)
        self.gpu_milli = sum(map(self.left_of, self.order)) if self.is_shared else whole


NO_CEILING: Mapping[int, FreeNode] = MappingProxyType({})
"""No node is limited."""


class FreeNodes:
    """The nodes that take jobs, on a shelf for each kind of GPU, sorted by how much is free: the fullest first.

    A node's number is its place in `nodes`, in the order of names: the same snapshot always gives the same numbers.
    """

    __slots__ = ("_numbers", "nodes", "shelves")

    def __init__(
        self, nodes: Iterable[NodeView], running: Iterable[RunningJob] = (), kept: Iterable[MoveRoom] = ()
    ) -> None:
        views = sorted((node for node in nodes if takes_jobs(node)), key=lambda node: node.name)
        self.nodes = [FreeNode(view, number) for number, view in enumerate(views)]
        self._numbers = {view.name: number for number, view in enumerate(views)}
        by_name = {node.view.name: node for node in self.nodes}
        for job in running:
            for share in job.shares:
                node = by_name.get(share.node)
                if node is not None:
                    node.hold(share, job.id)
        _hold_all(kept, by_name)
        for node in self.nodes:
            if node.held:
                node.count_gpus()
        self.shelves = self._sorted()

    def could_ever_hold(self, request: Request) -> bool:
        """Whether the job would have room if all nodes were empty."""
        return sum(could_hold(request, node.view) for node in self.nodes) >= request.nodes

    def _sorted(self) -> dict[GpuKind, list[Entry]]:
        shelves: dict[GpuKind, list[Entry]] = {}
        for node in self.nodes:
            shelves.setdefault(node.kind, []).append(node.entry)
        for shelf in shelves.values():
            shelf.sort()
        return shelves

    @classmethod
    def of(cls, snapshot: Snapshot) -> "FreeNodes":
        return cls(snapshot.nodes, snapshot.running, snapshot.kept)

    def is_too_full_for(self, request: Request) -> bool:
        """Whether no node can have room for the request, by a glance at the end of each shelf. False says nothing."""
        milli = request.amount.all_gpu_milli
        for kind, shelf in self.shelves.items():
            most_milli, cpus_there, _, _ = shelf[-1]
            if not milli and (kind or cpus_there >= request.cpus):
                return False  # the machine with most GPUs left need not be the one with most processors left
            if milli and most_milli >= milli:
                return False
        return True

    @property
    def shares_gpus(self) -> bool:
        """Whether parts of GPUs are given away here."""
        return any(node.is_shared for node in self.nodes)

    def copy(self) -> "FreeNodes":
        """The same nodes with the same numbers, to be taken from and given to without changing these."""
        other: FreeNodes = object.__new__(FreeNodes)
        other.nodes = [node.copy() for node in self.nodes]
        other._numbers = self._numbers
        other.shelves = {kind: shelf.copy() for kind, shelf in self.shelves.items()}
        return other

    def __getitem__(self, name: str) -> FreeNode:
        return self.nodes[self._numbers[name]]

    def __contains__(self, name: str) -> bool:
        return name in self._numbers

    def allocate(self, share: Allocation, *, holder: int) -> None:
        """Gives a share of a node away; the node moves to its new place on its shelf."""
        node = self.nodes[self._numbers[share.node]]
        shelf = self.shelves[node.kind]
        del shelf[bisect_left(shelf, node.entry)]
        node.allocate(share, holder)
        insort(shelf, node.entry)

    def release(self, share: Allocation, *, holder: int) -> None:
        """The inverse of `allocate`. An allocation of a node that takes no jobs gives nothing back: nothing may start there."""
        if share.node not in self._numbers:
            return
        node = self.nodes[self._numbers[share.node]]
        shelf = self.shelves[node.kind]
        del shelf[bisect_left(shelf, node.entry)]
        node.release(share, holder)
        insort(shelf, node.entry)

    def release_all(self, shares: Iterable[tuple[Allocation, int]]) -> None:
        """`release` for many shares and their holders, in a fraction of the time."""
        touched = set()
        for share, holder in shares:
            if share.node in self._numbers:
                touched.add(number := self._numbers[share.node])
                self.nodes[number].unhold(share, holder)
        for number in touched:
            self.nodes[number].count_gpus()
        self.shelves = self._sorted()


def _hold_all(kept: Iterable[MoveRoom], by_name: Mapping[str, FreeNode]) -> None:
    for room in kept:
        for share in room.shares:
            if share.node in by_name:
                by_name[share.node].hold(share, room.job_id)
