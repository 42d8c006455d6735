"""The smallest change that would start a job now, worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from scheduling.plan import make_plan
from scheduling.resources import Request
from scheduling.snapshot import QueueView, Reservation
from scheduling.whatif import smallest_changes, spelt
from tests.scheduling.builders import T4, cpu_node, gpu_node, gpus, limited, running, share, snapshot, waiting
from tests.scheduling.worlds import NOW, worlds


def offers(world, job_id=1, now=0.0):
    return {one.field: one.after for one in smallest_changes(world, now, job_id)}


def held(*indices, until=1000.0, cpus=1, memory_mb=0, job_id=900):
    job = running(job_id, share(cpus=cpus, memory_mb=memory_mb, gpu_indices=indices))
    return replace(job, started_at=0.0, expected_end=until)


def one_node(*jobs, **more):
    return snapshot(*jobs, nodes=(gpu_node(cpus=16, memory_mb=64 * 1024),), **more)


def test_as_many_gpus_as_are_free():
    world = one_node(waiting(1, request=Request(gpus=8)), running=(held(0, 1, 2),))

    [change] = smallest_changes(world, 0.0, 1)

    assert change.as_data() == {
        "field": "resources.gpus", "from": 8, "to": 5, "sentence": "With 5 GPUs instead of 8 it would start now.",
    }  # fmt: skip


def test_any_model_where_the_one_it_names_is_taken():
    nodes = (gpu_node("gpu-1", 1), gpu_node("gpu-2", gpus=gpus(1, model=T4, memory_mb=16_000)))
    world = snapshot(waiting(1, request=Request(gpus=1, gpu_model="h100")), nodes=nodes, running=(held(0),))

    assert offers(world) == {"resources.gpu_model": ""}


def test_any_labels_where_the_nodes_with_its_own_are_taken():
    nodes = (gpu_node("gpu-1", 1), gpu_node("gpu-2", 1))
    nodes = (replace(nodes[0], labels={"zone": "a"}), nodes[1])
    world = snapshot(waiting(1, request=Request(gpus=1, labels=(("zone", "a"),))), nodes=nodes, running=(held(0),))

    assert offers(world) == {"resources.node_labels": {}}


def test_as_much_memory_as_is_free_in_whole_gigabytes():
    world = one_node(waiting(1, request=Request(memory_mb=60 * 1024)), running=(held(memory_mb=9 * 1024 + 100),))

    assert offers(world) == {"resources.memory_gb": 54}


def test_as_many_cpus_as_are_free():
    assert offers(one_node(waiting(1, request=Request(cpus=16)), running=(held(cpus=3),))) == {"resources.cpus": 13}


def test_as_many_nodes_as_are_free():
    nodes = tuple(cpu_node(name) for name in ("a", "b", "c"))
    busy = replace(running(900, share("a", cpus=16)), started_at=0.0, expected_end=50.0)

    assert offers(snapshot(waiting(1, request=Request(cpus=16, nodes=3)), nodes=nodes, running=(busy,))) == {
        "resources.nodes": 2
    }


def test_the_longest_time_before_a_reservation():
    first = waiting(1, request=Request(gpus=8), max_runtime_seconds=500, priority=60)
    second = waiting(2, request=Request(gpus=1), max_runtime_seconds=5000)
    world = one_node(first, second, running=(held(0, 1, until=1000.5),))

    assert offers(world, 2, now=100.0) == {
        "max_runtime_seconds": 900,
        "priority": 61,
        "queue": "live",
    }


def test_the_longest_time_before_maintenance():
    world = one_node(waiting(1, max_runtime_seconds=5000))
    world = replace(world, reservations=(Reservation("upgrade", ("gpu-1",), 4000, 6000),))

    [change] = smallest_changes(world, 100.0, 1)

    assert (change.before, change.after) == (5000, 3900)
    assert "a limit of 1h 5m instead of 1h 23m 20s" in change.sentence


def test_another_queue_where_its_own_is_paused_the_one_of_nearest_rank():
    queues = (QueueView("a", 0, "paused"), QueueView("b", 9), QueueView("c", 2), QueueView("d", 1, "draining"))

    assert offers(one_node(waiting(1, queue="a"), queues=queues)) == {"queue": "c"}


def test_fewer_gpus_within_the_quota():
    world = one_node(waiting(1, request=Request(gpus=4)), projects=(limited(gpus=6),), running=(held(0, 1, 2),))

    assert offers(world) == {"resources.gpus": 3}


@pytest.mark.parametrize("why", [{"unmet": (900,)}, {"broken": (7,)}, {"not_before": 50.0}])
def test_nothing_helps_a_job_that_waits_for_a_time_or_for_others(why):
    assert offers(one_node(waiting(1, **why))) == {}


def test_a_job_that_starts_anyway_needs_no_change():
    assert offers(one_node(waiting(1))) == {}


def test_a_job_that_does_not_wait_gets_no_offers():
    assert offers(one_node(), 77) == {}


def test_who_waits_without_a_reservation_makes_no_difference_to_an_offer():
    crowd = [waiting(number, request=Request(gpus=8), max_runtime_seconds=9) for number in range(10, 200)]
    world = one_node(waiting(1, request=Request(gpus=8), priority=10), *crowd, running=(held(0, 1),))

    assert offers(world) == {}  # the first of the crowd has all eight reserved from 1000 on, and no limit is named
    assert offers(replace(world, waiting=world.waiting[:1])) == {"resources.gpus": 6}


def test_a_length_of_time_is_told_exactly():
    assert [spelt(one) for one in (0, 59, 3600, 5400, 90_061)] == ["0s", "59s", "1h", "1h 30m", "1d 1h 1m 1s"]


REST_TO_REQUEST = {
    "resources.gpus": lambda job, to: replace(job, request=replace(job.request, gpus=to)),
    "resources.gpu_model": lambda job, to: replace(job, request=replace(job.request, gpu_model=to)),
    "resources.node_labels": lambda job, to: replace(job, request=replace(job.request, labels=tuple(to))),
    "resources.gpu_memory_gb": lambda job, to: replace(job, request=replace(job.request, gpu_memory_mb=to)),
    "resources.memory_gb": lambda job, to: replace(job, request=replace(job.request, memory_mb=to * 1024)),
    "resources.cpus": lambda job, to: replace(job, request=replace(job.request, cpus=to)),
    "resources.nodes": lambda job, to: replace(job, request=replace(job.request, nodes=to)),
    "max_runtime_seconds": lambda job, to: replace(job, max_runtime_seconds=to),
    "queue": lambda job, to: replace(job, queue=to),
    "priority": lambda job, to: replace(job, priority=to),
}


@settings(max_examples=25, deadline=None)
@given(worlds)
def test_what_is_offered_starts_the_job_in_the_plan_of_the_whole_changed_snapshot(world):
    for job in world.waiting[:4]:
        for change in smallest_changes(world, NOW, job.id):
            changed = REST_TO_REQUEST[change.field](job, change.after)
            others = tuple(one for one in world.waiting if one.id != job.id)
            plan = make_plan(replace(world, waiting=(*others, changed)), NOW)
            assert job.id in {one.job_id for one in plan.placements}, change
