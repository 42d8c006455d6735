"""Who cannot start for a reason that room does not solve takes no place from those who could."""

from dataclasses import replace

import pytest

from scheduling.forecast.effort import Effort
from scheduling.forecast.forecast import forecast
from scheduling.planning.ordering import order_pending
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import HOUR, Rules
from scheduling.snapshot import ProjectView, QueueView
from tests.scheduling.builders import gpu_node, limited, running, share, snapshot, waiting

NOW = 1_000_000.0
OLD = NOW - 50 * HOUR
NODES = (gpu_node("gpu-1"), gpu_node("gpu-2"))
QUEUES = (QueueView("default", 10), QueueView("shut", 10, "paused"), QueueView("odd", 10, policy="lottery"))
PROJECTS = (ProjectView("vision"), limited("full", gpus=8), limited("none", gpus=0), limited("lean", cpus=0))
STUCK = {
    "dependency": {"unmet": (77,)},
    "dependency failed": {"broken": (77,)},
    "held": {"held": "ann"},
    "not before": {"not_before": NOW + 1},
    "paused queue": {"queue": "shut"},
    "no such policy": {"queue": "odd"},
    "no such node": {"request": Request(gpus=16)},
    "too few nodes": {"request": Request(gpus=8, nodes=3)},
    "quota too small": {"project": "none"},
    "quota in use": {"project": "full"},
    "no quota of another kind": {"project": "lean"},
}
BUSY = replace(
    running(900, share(gpu_indices=tuple(range(8))), project="full"), started_at=NOW - 60, expected_end=NOW + 60
)


def world(*jobs):
    seen = snapshot(*jobs, running=(BUSY,), nodes=NODES, queues=QUEUES, projects=PROJECTS)
    return replace(seen, rules=Rules(bounded_wait_seconds=40 * HOUR))


def stuck(job_id, **more):
    return waiting(job_id, **{"submitted_at": OLD, "request": Request(gpus=1), **more})


@pytest.mark.parametrize("more", STUCK.values(), ids=STUCK.keys())
def test_however_many_are_stuck_the_next_overdue_job_has_its_reservation(more):
    gang = waiting(50, priority=10, submitted_at=OLD + 1, request=Request(gpus=8, nodes=2), max_runtime_seconds=3600)
    day = [
        waiting(100 + n, submitted_at=NOW - 60, request=Request(gpus=1), max_runtime_seconds=86_400) for n in range(9)
    ]

    plan = make_plan(world(*(stuck(n, **more) for n in range(1, 40)), gang, *day), NOW)

    assert plan.placements == ()
    assert (plan.reservations[0].job_id, plan.reservations[0].start) == (50, NOW + 60)


def test_those_whose_quota_is_in_use_go_ahead_within_it_the_oldest_first():
    young = waiting(60, project="full", priority=90, submitted_at=NOW - 1, request=Request(gpus=1))
    old = [stuck(n, project="full", priority=0) for n in range(1, 12)]

    line = order_pending(world(young, *old), NOW)

    assert [job.id for job in line.jobs] == [*range(1, 9), 60, 9, 10, 11]
    assert line.ahead == frozenset(range(1, 9))


def test_a_younger_small_job_does_not_go_before_an_older_one_that_the_same_quota_refuses():
    """4 of its 8 GPUs are free: job 1 asks for 8, job 2 for 1, both are overdue."""
    half = replace(BUSY, shares=(share(gpu_indices=(0, 1, 2, 3)),))
    jobs = (stuck(1, project="full", request=Request(gpus=8)), stuck(2, project="full", submitted_at=OLD + 1))
    seen = replace(world(*jobs), running=(half,))

    assert [job.id for job in order_pending(seen, NOW).jobs] == [1, 2]
    assert make_plan(seen, NOW).placements == ()


@pytest.mark.parametrize("more", STUCK.values(), ids=STUCK.keys())
def test_however_many_are_stuck_the_start_of_the_next_is_foretold(more):
    jobs = [stuck(n, priority=90, **more) for n in range(1, 12)]

    told = forecast(world(*jobs, waiting(50, priority=10)), NOW, effort=Effort(jobs=4))

    assert told[50].expected == NOW


def test_dependents_of_a_job_that_never_starts_do_not_crowd_out_those_of_one_that_does():
    never, soon = waiting(1, held="ann"), waiting(2, max_runtime_seconds=60)
    hopeless = [waiting(10 + n, priority=90, unmet=(1 if n == 0 else 9 + n,)) for n in range(9)]

    told = forecast(world(never, soon, *hopeless, waiting(50, unmet=(2,))), NOW, effort=Effort(jobs=4))

    assert set(told) == {2, 50}
    assert told[50].expected == NOW + 60


def test_a_chain_is_foretold_whatever_the_order_of_its_links():
    chain = [waiting(n, priority=100 - n, unmet=(n + 1,) if n < 4 else (), max_runtime_seconds=60) for n in range(1, 5)]

    told = forecast(world(*chain), NOW, effort=Effort(jobs=4))

    assert [told[n].expected - NOW for n in (4, 3, 2, 1)] == [0, 60, 120, 180]
