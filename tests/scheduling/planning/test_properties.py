"""What must hold for every plan, on worlds that nobody would think of."""

from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given, settings

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement.frontier import frontier
from scheduling.planning.ordering import order_pending
from scheduling.planning.plan import make_plan
from scheduling.planning.unschedulable import Explanations
from scheduling.snapshot import Snapshot
from tests.scheduling import oracle
from tests.scheduling.builders import best_fit
from tests.scheduling.worlds import NOW, requests, worlds


def under_a_floor(world: Snapshot) -> Snapshot:
    """Every other job can give way again."""
    waiting = tuple(replace(job, checkpointable=job.id % 2 == 0) for job in world.waiting)
    return replace(world, waiting=waiting, rules=replace(world.rules, policy="floor"))


either = st.one_of(worlds, worlds.map(under_a_floor))
few = settings(max_examples=40)
many = settings(max_examples=100)


@many
@given(worlds)
def test_no_node_is_ever_asked_for_more_than_it_has(world):
    shares = oracle.all_shares(world, make_plan(world, NOW))

    for node in world.nodes:
        assert oracle.held_on(node.name, shares).fits_in(node.amount)


@many
@given(worlds)
def test_a_gpu_is_held_once_and_exists(world):
    shares = oracle.all_shares(world, make_plan(world, NOW))

    held = [(share.node, index) for share in shares for index in share.gpu_indices]
    assert len(held) == len(set(held))
    assert set(held) <= {(node.name, gpu.index) for node in world.nodes for gpu in node.gpus}


@many
@given(worlds)
def test_each_job_gets_exactly_what_it_asked_for_on_a_node_that_takes_jobs(world):
    asked = {job.id: job.request for job in world.waiting}

    for placed in make_plan(world, NOW).placements:
        (share,) = placed.shares
        assert share.amount == asked[placed.job_id].amount
        assert oracle.suits(asked[placed.job_id], share, world)


@many
@given(worlds)
def test_no_placement_takes_an_enforced_quota_over_its_limit(world):
    plan = make_plan(world, NOW)
    before, after = oracle.usage(world.running, world), oracle.usage(oracle.then_running(world, plan), world)

    for project in world.projects:
        if project.limits is not None and project.limits.enforced:
            for name, used in after[project.slug].items():
                limit = getattr(project.limits, name)
                assert limit is None or used <= limit or used == before[project.slug][name]


@few
@given(worlds)
def test_no_queue_runs_more_jobs_than_it_may(world):
    plan = make_plan(world, NOW)
    queue_of = {job.id: job.queue for job in world.waiting}
    starts = [queue_of[one.job_id] for one in plan.placements]

    for queue in world.queues:
        runs = sum(job.queue == queue.name for job in world.running)
        new = starts.count(queue.name)
        assert not new or (queue.state != "paused" and (queue.max_running is None or runs + new <= queue.max_running))


@few
@given(worlds)
def test_the_same_snapshot_and_clock_give_the_same_plan(world):
    shuffled = replace(world, waiting=world.waiting[::-1], nodes=world.nodes[::-1], projects=world.projects[::-1])

    assert make_plan(world, NOW) == make_plan(world, NOW)
    assert make_plan(world, NOW) == make_plan(shuffled, NOW)


@many
@given(either)
def test_every_waiting_job_is_placed_once_or_has_a_reason(world):
    plan = make_plan(world, NOW)

    answered = [one.job_id for one in plan.placements] + [wait.job_id for wait in plan.waits]
    assert sorted(answered) == sorted(job.id for job in world.waiting)
    assert all(wait.reasons and all(reason.sentence for reason in wait.reasons) for wait in plan.waits)
    assert plan.line == tuple(wait.job_id for wait in plan.waits)


@few
@given(worlds)
def test_of_jobs_that_are_alike_the_first_in_order_is_placed_first(world):
    placed = {one.job_id for one in make_plan(world, NOW).placements}
    blocked = set()

    for job in order_pending(world, NOW).jobs:
        alike = (job.request, job.project, job.queue)
        assert not (job.id in placed and alike in blocked)
        if job.id not in placed and not job.unmet and not (job.not_before and job.not_before > NOW):
            blocked.add(alike)


@many
@given(either)
def test_nobody_waits_for_resources_that_are_free(world):
    """The index by which nodes are found must miss none: each wait is checked against every node."""
    plan = make_plan(world, NOW)
    then = FreeNodes(world.nodes, oracle.then_running(world, plan))
    asked = {job.id: job.request for job in world.waiting}

    for wait in plan.waits:
        codes = {str(reason.code) for reason in wait.reasons}
        fits = any(oracle.fits(asked[wait.job_id], node) for node in then.nodes)
        assert fits == codes.isdisjoint({"resources", "hardware", "no_node"})


@few
@given(either)
def test_a_second_pass_says_the_same_when_nothing_changed(world):
    first = make_plan(world, NOW)
    waits = {wait.job_id for wait in first.waits}
    later = replace(
        world,
        waiting=tuple(job for job in world.waiting if job.id in waits),
        running=oracle.then_running(world, first),
        shadow=first.shadow,
    )

    second = make_plan(later, NOW)

    assert second.placements == ()
    assert second.waits == first.waits


@many
@given(requests, worlds)
def test_best_fit_finds_the_node_that_a_look_at_all_of_them_finds(request, world):
    free = FreeNodes.of(world)

    found = best_fit(request, free)

    assert (found.node if found else None) == oracle.fullest_that_fits(request, free)


@many
@given(requests, worlds)
def test_the_shortfall_is_the_smallest_of_all_nodes_that_could_hold_the_job(request, world):
    free = FreeNodes.of(world)
    if best_fit(request, free) is None:
        reasons = Explanations(free).why_nowhere(request)
        smallest = oracle.smallest_shortfall(request, free)
        told = [dict(reason.shortfall) for reason in reasons if reason.code == "resources"]
        assert told == ([] if smallest is None else [smallest])


@few
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=20))
def test_a_frontier_leaves_out_only_what_another_one_matches_or_beats(sizes):
    kept = frontier(sizes, lambda size: size)

    assert set(kept) <= set(sizes)
    for size in sizes:
        beaten_by = [one for one in kept if all(more >= less for more, less in zip(one, size, strict=True))]
        assert beaten_by == [size] if size in kept else beaten_by
