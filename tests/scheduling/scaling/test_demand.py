"""The demand for nodes: those that waiting jobs would start on, and no others."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.scaling.demand import demand
from scheduling.scaling.pools import NodePool
from scheduling.snapshot import Limits, ProjectView, QueueView, Snapshot
from scheduling.stages import started
from tests.scheduling.builders import cpu_node, gpu_node, running, share, snapshot, waiting

NOW = 1_000.0
CPU_POOL = NodePool("cpu", cpu_node("shape", cpus=4), max_nodes=10)
GPU_POOL = NodePool("gpu", gpu_node("shape", 8), max_nodes=4)


def asked(world: Snapshot, *pools: NodePool) -> list[tuple[int, int]]:
    return [(one.now, one.soon) for one in demand(world, NOW, pools)]


def test_jobs_that_wait_ask_for_as_many_nodes_as_hold_them():
    jobs = [waiting(request=Request(cpus=2)) for _ in range(5)]
    assert asked(snapshot(*jobs, nodes=()), CPU_POOL) == [(3, 3)]


def test_no_more_is_asked_for_than_the_pool_may_have():
    jobs = [waiting(request=Request(cpus=4)) for _ in range(50)]
    assert asked(snapshot(*jobs, nodes=()), CPU_POOL) == [(10, 10)]


def test_who_finds_no_room_in_all_that_a_consolidating_pool_may_have_waits_for_it_too():
    """Else one of its nodes would be emptied meanwhile, given back, and bought again for him."""
    pool = replace(CPU_POOL, max_nodes=1, nodes=frozenset({"cpu-1"}), consolidates=True)
    there = cpu_node("cpu-1", cpus=4)
    held = running(1, share("cpu-1", cpus=2))
    quota = (ProjectView("vision"), ProjectView("small", limits=Limits(cpus=1)))

    def waits(*jobs):
        [one] = demand(snapshot(*jobs, running=(held,), nodes=(there,), projects=quota), NOW, [pool])
        return one.waiting

    assert waits(waiting(request=Request(cpus=4))) == 1
    assert waits(waiting(request=Request(cpus=4), project="small"), waiting(request=Request(cpus=8))) == 0


def test_a_job_that_no_node_of_the_pool_could_hold_asks_for_none():
    assert asked(snapshot(waiting(request=Request(cpus=64)), nodes=()), CPU_POOL) == [(0, 0)]


def test_nodes_that_go_are_asked_for_by_whoever_fits_into_their_time_and_count_until_then():
    pilots = replace(CPU_POOL, lifetime_seconds=3_600.0)
    jobs = [waiting(request=Request(cpus=4), max_runtime_seconds=seconds) for seconds in (3_500, 3_500, 4_000)]
    assert asked(snapshot(*jobs, nodes=()), pilots) == [(2, 2)]

    there = replace(cpu_node("cpu-1", cpus=4), leaves_at=NOW + 600)
    assert asked(snapshot(jobs[0], nodes=(there,)), replace(pilots, nodes=frozenset({"cpu-1"}))) == [(1, 1)]
    assert asked(
        snapshot(jobs[0], nodes=(replace(there, leaves_at=NOW + 3_600),)), replace(pilots, nodes=frozenset({"cpu-1"}))
    ) == [(1, 1)]


def test_a_job_that_its_quota_keeps_asks_for_none():
    full = ProjectView("vision", limits=Limits(running_jobs=2))
    jobs = [waiting(request=Request(cpus=4)) for _ in range(5)]
    assert asked(snapshot(*jobs, nodes=(), projects=(full,)), CPU_POOL) == [(2, 2)]


def test_who_is_held_or_waits_in_a_paused_queue_asks_for_none():
    jobs = [waiting(held="by ada"), waiting(unmet=(1,)), waiting(queue="shut")]
    assert asked(
        snapshot(*jobs, nodes=(), queues=(QueueView("default"), QueueView("shut", state="paused"))), CPU_POOL
    ) == [(0, 0)]


def test_a_gang_asks_for_all_its_nodes_or_for_none():
    pair = waiting(request=Request(cpus=4, nodes=2))
    assert asked(snapshot(pair, nodes=()), CPU_POOL) == [(2, 2)]
    assert asked(snapshot(pair, nodes=()), replace(CPU_POOL, max_nodes=1)) == [(0, 0)]


def test_no_gpu_is_bought_for_jobs_that_ask_for_none():
    jobs = [waiting(request=Request(cpus=4)) for _ in range(3)]
    assert asked(snapshot(*jobs, nodes=()), replace(CPU_POOL, max_nodes=1), GPU_POOL) == [(1, 1), (0, 0)]


def test_what_ends_before_a_new_node_is_ready_makes_room_for_who_waits():
    node = cpu_node("cpu-0", cpus=4)
    pool = replace(CPU_POOL, nodes=frozenset({"cpu-0"}), startup_seconds=60)
    ends_soon = replace(
        running(900, share("cpu-0", cpus=4)), started_at=0.0, expected_end=NOW + 9_000, predicted_end=NOW + 30
    )
    world = snapshot(waiting(request=Request(cpus=4)), running=(ends_soon,), nodes=(node,))
    assert asked(world, pool) == [(2, 1)]


def test_a_node_that_holds_nothing_and_will_not_soon_is_idle():
    nodes = (cpu_node("cpu-0", cpus=4), cpu_node("cpu-1", cpus=4))
    pool = replace(CPU_POOL, nodes=frozenset({"cpu-0", "cpu-1"}))
    (one,) = demand(snapshot(running=(running(900, share("cpu-1", cpus=1)),), nodes=nodes), NOW, [pool])
    assert (one.busy, one.idle) == (1, ("cpu-0",))


jobs_of_any_size = st.lists(
    st.builds(
        lambda cpus, gpus, nodes: Request(cpus=cpus, gpus=gpus, nodes=nodes),
        st.integers(1, 8),
        st.sampled_from([0, 0, 1, 4, 8]),
        st.integers(1, 3),
    ),
    max_size=12,
)


@given(jobs_of_any_size, st.integers(0, 6), st.integers(0, 4))
def test_with_the_nodes_that_were_asked_for_everybody_starts_who_would_with_all(requests, cpus, gpus):
    """Nodes that come in the number that was asked for hold as many jobs as all that the pools may have would."""
    pools = (replace(CPU_POOL, max_nodes=cpus), replace(GPU_POOL, max_nodes=gpus))
    world = snapshot(*(waiting(request=request) for request in requests), nodes=())
    asked_for = [one.now for one in demand(world, NOW, pools)]

    def starts(counts: list[int]) -> set[int]:
        nodes = tuple(
            replace(pool.shape, name=f"{pool.name}-{n}")
            for pool, count in zip(pools, counts, strict=True)
            for n in range(count)
        )
        return {one.job_id for one in make_plan(replace(world, nodes=nodes), NOW).placements}

    with_gpus = {job.id for job in world.waiting if job.request.gpus}
    assert starts(asked_for) & with_gpus >= starts([cpus, gpus]) & with_gpus
    assert len(asked_for) == 2
    assert asked_for[0] <= cpus
    assert asked_for[1] <= gpus


@given(jobs_of_any_size)
def test_once_they_run_the_demand_is_what_they_hold(requests):
    """Nothing is asked for twice: a job that has started counts where it is."""
    world = snapshot(*(waiting(request=request) for request in requests), nodes=())
    pools = (CPU_POOL, GPU_POOL)
    first = demand(world, NOW, pools)
    nodes = tuple(
        replace(pool.shape, name=f"{pool.name}-{n}")
        for pool, one in zip(pools, first, strict=True)
        for n in range(one.now)
    )
    plan = make_plan(replace(world, nodes=nodes), NOW)
    waiting_jobs = {job.id: job for job in world.waiting}
    run = tuple(started(waiting_jobs.pop(one.job_id), one.shares, NOW) for one in plan.placements)
    grown = [
        replace(pool, nodes=frozenset(node.name for node in nodes if node.name.startswith(pool.name))) for pool in pools
    ]
    after = demand(replace(world, waiting=tuple(waiting_jobs.values()), running=run, nodes=nodes), NOW, grown)
    assert sum(one.now for one in after) <= sum(one.now for one in first) + len(waiting_jobs) * 3
