"""Fleets that nobody would think of: a few machines, partly taken, with nodes that are closed or limited."""

from dataclasses import dataclass, replace
from random import Random

import hypothesis.strategies as st

from scheduling.capacity import FreeNode, FreeNodes
from scheduling.resources import Amount, Request
from scheduling.snapshot import RunningJob, Share
from tests.scheduling import oracle
from tests.scheduling.worlds import node, request


@dataclass(frozen=True)
class Fleet:
    """What is free, the shares that are taken, and what one job may not use."""

    free: FreeNodes
    taken: tuple[tuple[int, Share], ...]
    ceiling: dict[int, FreeNode]
    closed: frozenset[str]

    def has_place(self, asked: Request, on: FreeNode) -> bool:
        """The slow and obvious answer, from the parts of the node alone."""
        under = self.ceiling.get(on.number)
        both = [on] if under is None else [on, under]
        gpus = [gpu for gpu in on.view.gpus if all(gpu in one.gpus for one in both)]
        return (
            on.view.name not in self.closed
            and all(asked.cpus <= one.cpus and asked.memory_mb <= one.memory_mb for one in both)
            and (not asked.gpus or len(oracle.good_gpus(asked, gpus)) >= asked.gpus)
        )


def some_share(on: FreeNode, dice: Random) -> Share:
    """A part of what is free on a node."""
    gpus = dice.sample([gpu.index for gpu in on.gpus], dice.randint(0, len(on.gpus)))
    amount = Amount(dice.randint(0, on.cpus), dice.randint(0, on.memory_mb), len(gpus))
    return Share(on.view.name, amount, tuple(sorted(gpus)))


def fleet(seed: int, nodes: int, taken: int) -> Fleet:
    dice = Random(seed)  # noqa: S311 - no secret: the same seed has to give the same fleet
    machines = [node(number, dice) for number in range(nodes)]
    free = FreeNodes(machines)
    shares = []
    for holder in range(taken if free.nodes else 0):
        share = some_share(dice.choice(free.nodes), dice)
        free.take(share, holder=holder)
        shares.append((holder, share))
    later = FreeNodes(machines, [RunningJob(0, "p", "q", 50, (some_share(one, dice),)) for one in free.nodes])
    ceiling = {one.number: one for one in later.nodes if dice.random() < 0.3}
    closed = frozenset(one.view.name for one in free.nodes if dice.random() < 0.2)
    return Fleet(free, tuple(shares), ceiling, closed)


def asked(seed: int, nodes: int) -> Request:
    return replace(request(Random(seed)), nodes=nodes)  # noqa: S311 - as above


seeds = st.integers(0, 2**32)
gangs = st.builds(asked, seeds, st.sampled_from((1, 1, 1, 2, 3)))
fleets = st.builds(fleet, seeds, st.integers(0, 7), st.integers(0, 6))
