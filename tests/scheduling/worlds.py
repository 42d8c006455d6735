"""Worlds that nobody would think of: small, crowded, and changed since the jobs in them were placed.

They are drawn from a seed rather than part by part, which is fifty times faster; the sizes still shrink.
"""

from dataclasses import replace
from random import Random

import hypothesis.strategies as st

from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.snapshot import Gpu, Limits, NodeView, ProjectView, QueueView, Snapshot, WaitingJob
from tests.scheduling import oracle

NOW = 100.0
KINDS = (("H100", 80), ("H100", 40), ("T4", 16))
PARENTS = {"acme": None, "team": "acme", "vision": "team", "speech": "acme", "other": None}
QUEUES = ("live", "default", "batch")


def request(dice: Random) -> Request:
    return Request(
        cpus=dice.choice((1, 1, 1, 2, 3, 6)),
        memory_mb=dice.choice((0, 0, 1, 2, 6)),
        gpus=dice.choice((0, 0, 1, 1, 2, 3)),
        gpu_memory_mb=dice.choice((0, 0, 0, 0, 16, 40, 80)),
        gpu_model=dice.choice(("", "", "", "h100", "t4")),
    )


def node(number: int, dice: Random) -> NodeView:
    kinds = dice.choice((KINDS, KINDS[:1], KINDS[2:]))
    return NodeView(
        f"n{number}",
        dice.randint(1, 8),
        dice.randint(1, 8),
        tuple(Gpu(index, *dice.choice(kinds)) for index in range(dice.choice((0, 0, 1, 2, 4)))),
        state=dice.choice((*["up"] * 8, "draining", "down")),
        alive=dice.random() < 0.95,
    )


def jobs(first: int, number: int, dice: Random) -> tuple[WaitingJob, ...]:
    """Few shapes and few moments, so that jobs are often alike."""
    shapes = [request(dice) for _ in range(4)]
    return tuple(
        WaitingJob(
            first + position,
            dice.choice(tuple(PARENTS)),
            dice.choice(QUEUES),
            dice.randint(0, 3),
            float(dice.randint(0, 3)),
            dice.choice(shapes),
            not_before=dice.choice((*[None] * 8, NOW - 1, NOW + 1)),
            unmet=dice.choice((*[()] * 8, (77,))),
        )
        for position in range(number)
    )


def queue(name: str, dice: Random) -> QueueView:
    state = dice.choice((*["open"] * 8, "paused", "draining"))
    limit = dice.choice((None, None, dice.randint(1, 8)))
    return QueueView(name, dice.randint(0, 1), state, limit, dice.choice(("", "fifo", "priority")))


def project(slug: str, dice: Random) -> ProjectView:
    gpus, cpus, memory_mb, jobs_at_once = (dice.choice((None, None, dice.randint(1, 12))) for _ in range(4))
    limits = Limits(gpus, cpus, memory_mb, jobs_at_once, enforced=dice.random() < 0.8)
    return ProjectView(slug, PARENTS[slug], dice.choice((None, limits)))


def world(seed: int, waiting: int, earlier: int, nodes: int) -> Snapshot:
    """Earlier jobs run where a plan without quotas has put them, on nodes that have changed their state since."""
    dice = Random(seed)  # noqa: S311 - no secret: the same seed has to give the same world
    machines = tuple(node(number, dice) for number in range(nodes))
    queues = tuple(queue(name, dice) for name in QUEUES)
    projects = tuple(project(slug, dice) for slug in PARENTS)
    before = Snapshot(
        jobs(1001, earlier, dice),
        nodes=tuple(replace(one, state="up", alive=True) for one in machines),
        queues=queues,
        projects=tuple(replace(one, limits=None) for one in projects),
    )
    running = oracle.then_running(before, make_plan(before, NOW))
    return Snapshot(jobs(1, waiting, dice), running, machines, queues, projects)


def asked(seed: int) -> Request:
    return request(Random(seed))  # noqa: S311 - as above


seeds = st.integers(0, 2**32)
requests = st.builds(asked, seeds)
worlds = st.builds(world, seeds, st.integers(0, 14), st.integers(0, 8), st.integers(0, 6))
