"""The smallest change that would start a job now, worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.forecast.effort import Effort
from scheduling.forecast.outlook import outlook
from scheduling.forecast.whatif import smallest_changes
from scheduling.memory_units import megabytes
from scheduling.planning.plan import make_plan
from scheduling.reasons import spelt
from scheduling.resources import Request
from scheduling.snapshot import QueueView, Reservation, WorkloadView
from tests.scheduling import floor_worlds
from tests.scheduling.builders import T4, cpu_node, gpu_node, gpus, limited, running, share, snapshot, waiting
from tests.scheduling.floor_worlds import SAVES, half_taken
from tests.scheduling.full_worlds import knotted_world
from tests.scheduling.worlds import NOW, seeds, worlds


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


def test_to_save_its_work_where_only_who_does_may_start_before_its_turn():
    world = half_taken(floor_worlds.job(3, 2, 500))

    change = next(one for one in smallest_changes(world, 1.0, 3) if one.field == "checkpointable")

    sentence = "If it saved its work as it goes (checkpointable), it would start now, before its turn."
    assert change.as_data() == {"field": "checkpointable", "from": False, "to": True, "sentence": sentence}


def test_to_give_way_where_that_is_all_that_is_missing():
    saves, neither = (floor_worlds.job(3, 2, 500, preemptible=False, **more) for more in (SAVES, {}))

    assert offers(half_taken(saves), 3, 1.0)["preemptible"] is True
    assert offers(half_taken(neither), 3, 1.0).keys().isdisjoint({"preemptible", "checkpointable"})


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


def in_sweep(*jobs, running=(), at_once=1, **more):
    """Of a workload that runs so many at once; the node has room for sixteen."""
    sweep = WorkloadView("7", "sweep", at_once)
    made = snapshot(*(replace(one, workload="7") for one in jobs), nodes=(cpu_node(cpus=16),), **more)
    return replace(made, running=tuple(replace(one, workload="7") for one in running), workloads=(sweep,))


def test_a_workload_of_which_more_run_at_once_with_room_for_those_of_it_that_come_first():
    world = in_sweep(waiting(1), waiting(2), waiting(3), waiting(4), running=(held(),))

    change = next(one for one in smallest_changes(world, 0.0, 3) if one.field == "workload.max_running")

    sentence = "If workload sweep ran 4 jobs at once instead of 1, it would start now."
    assert change.as_data() == {"field": "workload.max_running", "from": 1, "to": 4, "sentence": sentence}


def test_no_more_of_a_workload_where_it_is_not_what_keeps_the_job():
    full = in_sweep(waiting(1, request=Request(cpus=32)), running=(held(),))
    elsewhere = in_sweep(waiting(1), waiting(2), running=(held(cpus=16),), at_once=2)
    assert "workload.max_running" not in offers(full) | offers(elsewhere)


@given(before=st.integers(0, 4), running_now=st.integers(0, 4), at_once=st.integers(1, 4))
def test_the_raise_of_a_workload_is_the_least_that_starts_the_job(before, running_now, at_once):
    jobs = [waiting(number) for number in range(1, before + 2)]
    world = in_sweep(*jobs, running=[held(job_id=900 + n) for n in range(running_now)], at_once=at_once)
    mine = jobs[-1].id

    def starts(at_once):
        raised = replace(world, workloads=(replace(world.workloads[0], max_running=at_once),))
        return mine in {one.job_id for one in make_plan(raised, 0.0).placements}

    least = next(number for number in range(1, 20) if starts(number))
    assert offers(world, mine).get("workload.max_running") == (least if least > at_once else None)


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
    "checkpointable": lambda job, to: replace(job, checkpointable=to),
    "preemptible": lambda job, to: replace(job, preemptible=to),
}


@settings(max_examples=25)
@given(worlds)
def test_what_is_offered_starts_the_job_in_the_plan_of_the_whole_changed_snapshot(world):
    for job in world.waiting[:4]:
        for change in smallest_changes(world, NOW, job.id):
            changed = REST_TO_REQUEST[change.field](job, change.after)
            others = tuple(one for one in world.waiting if one.id != job.id)
            plan = make_plan(replace(world, waiting=(*others, changed)), NOW)
            assert job.id in {one.job_id for one in plan.placements}, change


def carried_out(world, job, change):
    """The ways to carry a change out: PATCH, which takes a promise away; for a size, also a new submission."""
    others = tuple(one for one in world.waiting if one.id != job.id)
    changed = replace(REST_TO_REQUEST[change.field](job, change.after), promised=False)
    yield job.id, replace(world, waiting=(*others, changed))
    if change.field.startswith("resources."):
        anew = replace(changed, id=2**61, submitted_at=NOW, near=(), avoid=(), preemptions=0)
        yield anew.id, replace(world, waiting=(*others, anew))


def with_quotas(world, change):
    """The world in which the quotas allow what is offered."""
    raised = {
        slug: {name.replace("_gb", "_mb"): megabytes(to) if name == "memory_gb" else to for name, to in limits.items()}
        for slug, limits in change.after.items()
    }
    projects = [
        replace(one, limits=replace(one.limits, **raised[one.slug])) if one.slug in raised else one
        for one in world.projects
    ]
    return replace(world, projects=tuple(projects))


@settings(max_examples=25)
@given(seeds)
def test_every_offer_in_any_world_comes_true_however_it_is_carried_out(seed):
    world = knotted_world(seed)
    for job in world.waiting[:4]:
        for change in outlook(world, NOW, job.id, effort=Effort(20, 4)).changes:
            ways = (
                [(job.id, with_quotas(world, change))] if change.field == "quota" else carried_out(world, job, change)
            )
            for job_id, changed in ways:
                assert job_id in {one.job_id for one in make_plan(changed, NOW).placements}, change


def test_a_change_that_costs_a_job_its_promised_room_is_offered_only_if_it_starts_without():
    busy = replace(running(900, share("gpu-2", gpu_indices=tuple(range(8)))), started_at=0.0, expected_end=400.0)
    promised = waiting(2, request=Request(gpus=8), max_runtime_seconds=600, promised=True)
    wide = waiting(1, request=Request(gpus=8, nodes=2), priority=90, max_runtime_seconds=50)
    world = snapshot(wide, promised, nodes=(gpu_node("gpu-1"), gpu_node("gpu-2")), running=(busy,))
    world = replace(world, reservations=(Reservation("upgrade", ("gpu-1",), 500, 9000),))

    assert "max_runtime_seconds" not in offers(world, 2)


def test_a_smaller_size_is_offered_only_to_those_who_would_keep_their_place_as_a_new_job():
    """What a job asks for is fixed: with 6 GPUs it would stand behind the other, who takes them."""
    second = waiting(2, request=Request(gpus=6), max_runtime_seconds=10, submitted_at=5.0)
    world = one_node(waiting(1, request=Request(gpus=8), submitted_at=1.0), second, running=(held(0, 1),))

    assert "resources.gpus" in offers(replace(world, waiting=world.waiting[:1]), 1, now=9.0)
    assert "resources.gpus" not in offers(world, 1, now=9.0)
