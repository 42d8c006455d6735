"""Fragmentation Gradient Descent: where a request makes the fewest GPUs useless for the jobs that are usual here.

After Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent",
USENIX ATC 2023. What a node has free of its GPUs is a fragment for a usual job that cannot use it: all of it if the
job does not fit there, else what lies on GPUs that have too little left. A node's fragmentation is the mean of that
over the usual jobs, by how usual they are; the node is best whose fragmentation grows least.
"""

from collections.abc import Iterator
from heapq import heapify, heappop
from itertools import chain

from scheduling.nodes.free_nodes import NO_CEILING, FreeNode
from scheduling.placement.base import PlacementStrategy, Scope
from scheduling.placement.best_fit import walks_of
from scheduling.placement.fragmentation import Fragmentation, Option
from scheduling.placement.workload import USUAL, Workload, workload_of
from scheduling.resources import WHOLE_GPU, Request
from scheduling.snapshot import Snapshot

STEP = 0.05
"""Differences below so many GPUs count as none: the usual jobs are a sample, and packing decides better then."""


class Fgd(PlacementStrategy):
    """The nodes whose fragmentation grows least, in steps; within a step the fullest, then the first name."""

    name = "fgd"
    order = "where the fewest GPUs become useless for usual jobs, then the fullest"

    def __init__(self, usual: Workload = USUAL, step: float = STEP) -> None:
        self._step = step * WHOLE_GPU
        self._fragmentation = Fragmentation(usual)

    def prepare(self, snapshot: Snapshot) -> "Fgd":
        """Usual is what waits and runs in the snapshot, if any of it wants GPUs."""
        usual = workload_of(snapshot)
        return Fgd(usual, self._step / WHOLE_GPU) if usual.wants_gpus else self

    def in_words(self, request: Request, node: FreeNode) -> str:
        """How many GPUs become useless for usual jobs."""
        growth = self._fragmentation.best_options(request, [node], NO_CEILING)[0].growth / WHOLE_GPU
        return f"{growth:+.2f} GPUs are of no use to usual jobs then"

    def preferred(self, request: Request, room: Scope) -> Iterator[FreeNode]:
        nodes = list(chain.from_iterable(walks_of(request, room)))
        options = self._fragmentation.best_options(request, nodes, room.ceiling)
        line = [
            (not request.gpus and bool(node.kind), option.growth // self._step, *node.entry)
            for node, option in zip(nodes, options, strict=True)
        ]
        heapify(line)
        while line:
            yield room.free.nodes[heappop(line)[-1]]

    def gpus_on(self, request: Request, node: FreeNode, room: Scope) -> tuple[int, ...]:
        if not request.is_part_of_gpu:
            return super().gpus_on(request, node, room)
        option: Option = self._fragmentation.best_options(request, [node], room.ceiling)[0]
        return (node.order[option.position].index,)


FGD = Fgd()
