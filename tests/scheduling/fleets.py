"""Fleets that nobody would think of: a few machines, partly taken, with nodes that are closed or limited."""

from dataclasses import dataclass, replace
from random import Random

import hypothesis.strategies as st

from scheduling.nodes.free_nodes import FreeNode, FreeNodes
from scheduling.resources import Request, Resources
from scheduling.snapshot import Allocation, RunningJob
from tests.scheduling import oracle
from tests.scheduling.worlds import node, request

LABELS: tuple[dict[str, str], ...] = ({}, {"zone": "a"}, {"zone": "a", "disk": "ssd"}, {"zone": "b"})


@dataclass(frozen=True)
class Fleet:
    """What is free, the shares that are taken, and what one job may not use."""

    free: FreeNodes
    taken: tuple[tuple[int, Allocation], ...]
    ceiling: dict[int, FreeNode]
    closed: frozenset[str]

    def has_place(self, asked: Request, on: FreeNode) -> bool:
        """The slow and obvious answer, from the parts of the node alone."""
        both = self.limits(on)
        return (
            on.view.name not in self.closed
            and all(on.view.labels.get(name) == value for name, value in asked.labels)
            and all(asked.cpus <= one.cpus and asked.memory_mb <= one.memory_mb for one in both)
            and (not asked.gpus or len(self.usable_gpus(asked, on)) >= asked.gpus)
        )

    def limits(self, on: FreeNode) -> list[FreeNode]:
        """What a job on that node must fit in."""
        return [on, *(one for number, one in self.ceiling.items() if number == on.number)]

    def usable_gpus(self, asked: Request, on: FreeNode) -> set[int]:
        """The GPUs that suit and of which as much is free as is asked of each."""
        return {
            gpu.index
            for gpu in oracle.good_gpus(asked, on.view.gpus)
            if all(one.held.get(gpu.index, 0) + asked.gpu_milli <= 1000 for one in self.limits(on))
        }


def some_share(on: FreeNode, dice: Random) -> Allocation:
    """A part of what is free on a node: whole GPUs, or a part of one."""
    free = {gpu.index: on.left_of(gpu) for gpu in on.view.gpus if on.left_of(gpu)}
    if free and dice.random() < 0.5:
        index = dice.choice(list(free))
        return Allocation(on.view.name, Resources(0, 0, 0, dice.randint(1, min(free[index], 999))), (index,))
    gpus = dice.sample([gpu.index for gpu in on.gpus], dice.randint(0, len(on.gpus)))
    amount = Resources(dice.randint(0, on.cpus), dice.randint(0, on.memory_mb), len(gpus))
    return Allocation(on.view.name, amount, tuple(sorted(gpus)))


def fleet(seed: int, nodes: int, taken: int) -> Fleet:
    dice = Random(seed)  # noqa: S311 - no secret: the same seed has to give the same fleet
    machines = [replace(node(number, dice), labels=dice.choice(LABELS)) for number in range(nodes)]
    free = FreeNodes(machines)
    shares = []
    for holder in range(taken if free.nodes else 0):
        share = some_share(dice.choice(free.nodes), dice)
        free.allocate(share, holder=holder)
        shares.append((holder, share))
    later = FreeNodes(machines, [RunningJob(0, "p", "q", 50, (some_share(one, dice),)) for one in free.nodes])
    ceiling = {one.number: one for one in later.nodes if dice.random() < 0.3}
    closed = frozenset(one.view.name for one in free.nodes if dice.random() < 0.2)
    return Fleet(free, tuple(shares), ceiling, closed)


def asked(seed: int, nodes: int) -> Request:
    """A request for one node or a gang, now and then for a part of a GPU or for nodes with labels."""
    dice = Random(seed)  # noqa: S311 - as above
    labels = tuple(dice.choice((*[{}] * 4, {"zone": "a"})).items())
    one = replace(request(dice), nodes=nodes, labels=labels)
    return replace(one, gpu_milli=dice.choice((1000, 250, 600))) if one.gpus == 1 else one


seeds = st.integers(0, 2**32)
gangs = st.builds(asked, seeds, st.sampled_from((1, 1, 1, 2, 3)))
fleets = st.builds(fleet, seeds, st.integers(0, 7), st.integers(0, 6))
