"""What must hold whatever the policy, the strategy and the rules: nothing over its limits, nobody lost, promises kept."""

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from scheduling.nodes.profile import need
from scheduling.placement import STRATEGIES
from scheduling.planning.plan import Plan, make_plan
from scheduling.resources import total
from scheduling.rules import Backfill
from scheduling.run_times import latest_end, limit_seconds
from scheduling.sharing.quota_profile import Limit, count_of, limits_over
from scheduling.snapshot import Allocation, Snapshot, chain_of
from tests.scheduling import oracle
from tests.scheduling.full_worlds import NOW, POLICY_NAMES, full_world, shuffled

seeds = st.integers(0, 2**32)
some = settings(max_examples=12)


def check(world: Snapshot) -> None:
    plan = make_plan(world, NOW)
    nobody_is_lost(world, plan)
    gangs_are_whole(world, plan)
    nothing_is_over_capacity(world, plan)
    no_quota_is_broken(world, plan)
    nobody_runs_into_nodes_kept_for_others(world, plan)
    promises_can_be_kept(world, plan)
    promises_can_be_kept_inside_quotas(world, plan)
    only_those_who_may_be_stopped_are(world, plan)
    assert make_plan(world, NOW) == plan
    assert make_plan(shuffled(world), NOW) == plan


def nobody_is_lost(world: Snapshot, plan: Plan) -> None:
    answered = [one.job_id for one in plan.placements] + [wait.job_id for wait in plan.waits]
    assert sorted(answered) == sorted(job.id for job in world.waiting)
    assert all(wait.reasons and all(reason.sentence for reason in wait.reasons) for wait in plan.waits)
    assert plan.line == tuple(wait.job_id for wait in plan.waits)
    assert not plan.alerts


def gangs_are_whole(world: Snapshot, plan: Plan) -> None:
    asked = {job.id: job.request for job in world.waiting}
    for one in plan.placements:
        request = asked[one.job_id]
        assert [share.rank for share in one.shares] == list(range(request.nodes))
        assert len({share.node for share in one.shares}) == request.nodes
        for share in one.shares:
            assert share.amount == request.amount
            assert oracle.suits(request, share, world)


def nothing_is_over_capacity(world: Snapshot, plan: Plan) -> None:
    shares = oracle.all_shares(world, plan)
    for node in world.nodes:
        assert oracle.held_on(node.name, shares).fits_in(node.amount)
    held = [(share.node, index) for share in shares for index in share.gpu_indices]
    assert len(held) == len(set(held))


def no_quota_is_broken(world: Snapshot, plan: Plan) -> None:
    before, after = oracle.usage(world.running, world), oracle.usage(oracle.then_running(world, plan), world)
    for project in world.projects:
        if project.limits is not None and project.limits.enforced:
            for name, used in after[project.slug].items():
                limit = getattr(project.limits, name)
                assert limit is None or used <= limit or used == before[project.slug][name]


def nobody_runs_into_nodes_kept_for_others(world: Snapshot, plan: Plan) -> None:
    jobs = {job.id: job for job in world.waiting}
    projects = {one.slug: one for one in world.projects}
    for placed in plan.placements:
        job = jobs[placed.job_id]
        end = NOW + limit_seconds(job, world.rules)
        family = {one.slug for one in chain_of(job.project, projects)}
        for kept in world.reservations:
            if kept.project not in family and kept.start < end and kept.end > NOW:
                assert not {share.node for share in placed.shares} & set(kept.nodes)


def promises_can_be_kept(world: Snapshot, plan: Plan) -> None:
    """At its promised start each job finds its room free, if everybody runs to the limit and all start as promised."""
    jobs = {job.id: job for job in world.waiting}
    holds = [(NOW, _end(world, job), share) for job in world.running for share in job.shares]
    for placed in plan.placements:
        holds += [(NOW, NOW + limit_seconds(jobs[placed.job_id], world.rules), share) for share in placed.shares]
    for kept in plan.reservations:
        end = kept.start + limit_seconds(jobs[kept.job_id], world.rules)
        holds += [(kept.start, end, share) for share in kept.shares]
        assert kept.start >= NOW
    for kept in plan.reservations:
        for share in kept.shares:
            at_once = [other for start, end, other in holds if start <= kept.start < end and other.node == share.node]
            _fit_together(world, at_once)


def promises_can_be_kept_inside_quotas(world: Snapshot, plan: Plan) -> None:
    """The same for quotas and queues' limits: at its promised start each job is let in by all that it counts under."""
    jobs = {job.id: job for job in world.waiting}
    limits = {job.id: _limits(world, job) for job in world.waiting}
    limits |= {job.id: _limits(world, job) for job in world.running}
    holds = [
        (NOW, _end(world, job), count_of(total(share.amount for share in job.shares)), limits[job.id])
        for job in world.running
    ]
    starts = [(one.job_id, NOW) for one in plan.placements] + [(one.job_id, one.start) for one in plan.reservations]
    for job_id, start in starts:
        job = jobs[job_id]
        holds.append((start, start + limit_seconds(job, world.rules), count_of(job.request.total), limits[job_id]))
    for kept in plan.reservations:
        own = count_of(jobs[kept.job_id].request.total)
        for limit in limits[kept.job_id]:
            at_once = [count for start, end, count, over in holds if start <= kept.start < end and limit in over]
            for asked, most, *held in zip(own, limit.most, *at_once, strict=True):
                assert not asked or sum(held) <= most


def _limits(world: Snapshot, job) -> tuple[Limit, ...]:
    (queue,) = [one for one in world.queues if one.name == job.queue]
    return limits_over(chain_of(job.project, {one.slug: one for one in world.projects}), queue)


def _fit_together(world: Snapshot, shares: list[Allocation]) -> None:
    node = next(one for one in world.nodes if one.name == shares[0].node)
    held = oracle.held_on(node.name, shares)
    assert held.cpus <= node.cpus
    assert held.memory_mb <= node.memory_mb
    indices = [index for share in shares for index in share.gpu_indices]
    assert len(indices) == len(set(indices))


def _end(world: Snapshot, job) -> float:
    return latest_end(job, NOW, world.rules.assumed_limit_seconds)


def only_those_who_may_be_stopped_are(world: Snapshot, plan: Plan) -> None:
    running = {job.id: job for job in world.running}
    knobs = world.rules.preemption
    stopped = [one.job_id for one in plan.preemptions]
    assert len(stopped) == len(set(stopped)) <= knobs.max_per_hour
    for one in plan.preemptions:
        victim = running[one.job_id]
        assert victim.preemptible
        assert not victim.leaving
        assert victim.preemptions < knobs.max_per_job
        assert victim.checkpointable or not knobs.only_checkpointable
        assert NOW - victim.started_at >= knobs.min_runtime_seconds
        assert one.for_job in plan.line


@pytest.mark.parametrize("policy", POLICY_NAMES)
@some
@example(seed=3359)  # under a floor, jobs that others were stopped for stood in the order in which they were given
@given(seed=seeds)
def test_the_invariants_hold_under_every_policy(policy, seed):
    check(full_world(seed, policy=policy))


@pytest.mark.parametrize("backfill", tuple(Backfill))
@some
@given(seed=seeds)
def test_the_invariants_hold_under_every_way_of_backfilling(backfill, seed):
    check(full_world(seed, backfill=backfill))


@pytest.mark.parametrize("placement", sorted(STRATEGIES))
@some
@given(seed=seeds)
def test_the_invariants_hold_under_every_placement_strategy(placement, seed):
    check(full_world(seed, placement=placement))


@pytest.mark.parametrize("policy", POLICY_NAMES)
@some
@given(seed=seeds)
def test_a_plan_carried_out_again_and_again_comes_to_rest(policy, seed):
    """Without an outside event every job that can start has started after a few passes, and the plan stays the same."""
    world = full_world(seed, policy=policy)
    for _ in range(20):
        plan = make_plan(world, NOW)
        if not plan.placements:
            break
        world = _carried_out(world, plan)
    assert not plan.placements
    assert make_plan(world, NOW) == plan


def _carried_out(world: Snapshot, plan: Plan) -> Snapshot:
    placed = {one.job_id for one in plan.placements}
    left = tuple(job for job in world.waiting if job.id not in placed)
    return world.__class__(
        left, oracle.then_running(world, plan), world.nodes, world.queues, world.projects, world.taken_at, world.rules,
        world.reservations, world.usage,
    )  # fmt: skip


def test_need_counts_only_the_gpus_that_would_do():
    world = full_world(7)
    for node in world.nodes:
        for job in world.waiting:
            assert need(job.request, node).suits.bit_count() == len(oracle.good_gpus(job.request, node.gpus)) or (
                not job.request.gpus
            )
