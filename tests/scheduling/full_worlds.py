"""Worlds in which every rule of the core is at work: all policies and strategies, gangs, limits, reservations, history."""

from dataclasses import replace
from random import Random
from typing import Any

from scheduling.planning.plan import make_plan
from scheduling.policies import BUILT_IN
from scheduling.rules import Backfill, Preemption, Rules
from scheduling.snapshot import Reservation, RunningJob, Snapshot, UsageView, WaitingJob
from tests.scheduling import worlds

NOW = worlds.NOW
POLICY_NAMES = tuple(sorted(one.name for one in BUILT_IN))
OWNERS = ("ann", "bob", "cat")


def rules(dice: Random, **chosen: Any) -> Rules:
    drawn: dict[str, Any] = {
        "policy": dice.choice(POLICY_NAMES),
        "backfill": dice.choice(tuple(Backfill)),
        "reserve_depth": dice.choice((1, 1, 2)),
        "overdue_depth": dice.choice((1, 4)),
        "bounded_wait_seconds": dice.choice((None, 98.0)),
        "assumed_limit_seconds": 50.0,
        "ageing_points_per_hour": dice.choice((0.0, 900.0)),
        "preemption": Preemption(
            dice.choice(((), ("priority", "reclaim", "pressure"))),
            priority_gap=1, min_runtime_seconds=dice.choice((0, 20)), only_checkpointable=dice.random() < 0.5,
        ),
    }  # fmt: skip
    return Rules(**{**drawn, **chosen})


def waiting(job: WaitingJob, dice: Random) -> WaitingJob:
    limit = dice.choice((None, dice.randint(1, 60)))
    return replace(
        job,
        request=replace(job.request, nodes=dice.choice((1, 1, 1, 2, 3))),
        owner=dice.choice(OWNERS),
        max_runtime_seconds=limit,
        predicted_seconds=dice.choice((None, float(dice.randint(1, 99)))),
        deadline=dice.choice((None, NOW + dice.randint(-5, 50))),
        checkpointable=dice.random() < 0.5,
        promised=dice.random() < 0.1,
        near=dice.choice(((), ("n1", "n0"), ("gone",))),
    )


def running(job: RunningJob, dice: Random) -> RunningJob:
    started = NOW - dice.randint(1, 40)
    return replace(
        job,
        owner=dice.choice(OWNERS),
        started_at=dice.choice((None, started)),
        expected_end=dice.choice((None, NOW - dice.randint(1, 30), NOW + dice.randint(1, 60))),
        suspended_since=dice.choice((*[None] * 6, NOW - 10)),
        checkpointable=dice.random() < 0.7,
        preemptible=dice.random() < 0.8,
        preemptions=dice.choice((0, 0, 3)),
        leaving=dice.random() < 0.1,
    )


def full_world(seed: int, **chosen: Any) -> Snapshot:
    """The same seed and the same choice of rules give the same world."""
    dice = Random(seed)  # noqa: S311 - no secret
    plain = worlds.world(seed, dice.randint(0, 12), dice.randint(0, 8), dice.randint(0, 6))
    nodes = tuple(one.name for one in plain.nodes)
    start = NOW + dice.randint(-20, 40)
    return replace(
        plain,
        waiting=tuple(waiting(job, dice) for job in plain.waiting),
        running=tuple(running(job, dice) for job in plain.running),
        queues=tuple(replace(one, policy=dice.choice(("", "", *POLICY_NAMES))) for one in plain.queues),
        usage=tuple(UsageView(one.slug, dice.choice(OWNERS), float(dice.randint(0, 9))) for one in plain.projects),
        reservations=tuple(
            Reservation("r", (name,), start, start + dice.randint(1, 40), dice.choice((None, "acme", "vision")))
            for name in nodes
            if dice.random() < 0.2
        ),
        rules=rules(dice, **chosen),
    )


def knotted_world(seed: int) -> Snapshot:
    """A full world in which jobs also depend on each other, on what failed and on nobody, are held, and failed before."""
    dice = Random(seed)  # noqa: S311 - no secret
    world = full_world(seed, backfill=dice.choice(tuple(Backfill)))
    ids = [*(job.id for job in world.waiting), *(job.id for job in world.running)]
    nodes = [node.name for node in world.nodes]

    def knotted(job: WaitingJob) -> WaitingJob:
        needed = set(dice.sample(ids, min(2, len(ids)))) - {job.id} if dice.random() < 0.2 else job.unmet
        return replace(
            job,
            unmet=tuple(sorted(needed)),
            broken=(77,) if dice.random() < 0.1 else (),
            held="ann" if dice.random() < 0.1 else "",
            avoid=tuple(name for name in nodes if dice.random() < 0.3) if dice.random() < 0.3 else (),
        )

    rules = replace(world.rules, overdue_ahead=dice.choice((1, 8)))
    return replace(world, waiting=tuple(map(knotted, world.waiting)), rules=rules)


def shuffled(world: Snapshot) -> Snapshot:
    return replace(
        world,
        waiting=world.waiting[::-1],
        nodes=world.nodes[::-1],
        projects=world.projects[::-1],
        queues=world.queues[::-1],
    )


__all__ = ["NOW", "POLICY_NAMES", "full_world", "knotted_world", "make_plan", "shuffled"]
