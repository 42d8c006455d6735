"""Nodes that go at a known time: who starts there, who is told why not, and that nothing counts on them afterwards."""

from dataclasses import replace
from random import Random

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from scheduling.forecast.rollout import Rollout
from scheduling.forecast.runtime_assumptions import expected
from scheduling.planning.candidates import Eligibility
from scheduling.planning.places.ranking import ranking
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Backfill, Preemption, Rules
from scheduling.snapshot import Limits, ProjectView, Snapshot
from tests.scheduling.builders import T4, cpu_node, gpu_node, gpus, running, share, snapshot, waiting
from tests.scheduling.worlds import worlds

HOUR = 3_600
NOW = 1_790_000_000.0
PILOT = cpu_node("pilot-1", cpus=4, leaves_at=NOW + 2 * HOUR)
STAYS = cpu_node("stays", cpus=4)


def job(number: int = 1, *, cpus: int = 4, nodes: int = 1, **more):
    return waiting(number, request=Request(cpus=cpus, nodes=nodes), **more)


def placed(world: Snapshot, now: float = NOW) -> dict[int, str]:
    return {one.job_id: one.shares[0].node for one in make_plan(world, now).placements}


def told(world: Snapshot, job_id: int = 1) -> dict[str, str]:
    [wait] = [one for one in make_plan(world, NOW).waits if one.job_id == job_id]
    return {str(one.code): one.sentence for one in wait.reasons}


@pytest.mark.parametrize(
    ("wanted", "starts"),
    [
        ({"max_runtime_seconds": 2 * HOUR}, True),
        ({"max_runtime_seconds": 2 * HOUR + 1}, False),
        ({"max_runtime_seconds": 2 * HOUR + 1, "checkpointable": True}, False),
        ({"checkpointable": True}, True),
        ({}, False),
    ],
)
def test_a_job_starts_where_its_limit_fits_or_where_it_saves_its_work_and_has_none(wanted, starts):
    assert placed(snapshot(job(**wanted), nodes=(PILOT,))) == ({1: "pilot-1"} if starts else {})
    assert placed(snapshot(job(**wanted), nodes=(STAYS,))) == {1: "stays"}


@pytest.mark.parametrize(("left", "starts"), [(899, False), (900, True)])
def test_who_goes_on_elsewhere_starts_only_where_there_is_time_to_do_enough(left, starts):
    world = snapshot(job(checkpointable=True), nodes=(replace(PILOT, leaves_at=NOW + left),))
    world = replace(world, rules=Rules(preemption=Preemption(min_runtime_seconds=900)))

    assert bool(placed(world)) == starts
    assert starts or told(world) == {
        "node_leaves": "It saves its work and has no limit, so it starts only where a node stays for 15m at least. "
        "Node pilot-1 leaves at 2026-09-21 14:28 UTC."
    }


def test_the_reason_says_what_is_needed_and_when_the_last_of_the_nodes_goes():
    pilots = (PILOT, replace(PILOT, name="pilot-2", leaves_at=NOW + HOUR))
    leaves = "Of 2 such nodes pilot-1 stays longest: it leaves at 2026-09-21 16:13 UTC."

    assert told(snapshot(job(max_runtime_seconds=3 * HOUR), nodes=pilots)) == {
        "node_leaves": f"It may run for 3h, and no node with room for it stays so long. {leaves}"
    }
    assert told(snapshot(job(), nodes=pilots)) == {
        "node_leaves": f"It has no limit, so 1d are counted, and saves no work; no node with room for it stays so long. {leaves}"
    }


def test_that_no_node_stays_is_told_also_where_they_are_taken_now():
    busy = replace(running(9, share("pilot-1", cpus=4)), started_at=NOW, expected_end=NOW + 60)
    world = snapshot(job(max_runtime_seconds=3 * HOUR), running=(busy,), nodes=(PILOT,))

    assert list(told(world)) == ["node_leaves", "resources"]
    assert list(
        told(
            replace(world, nodes=(PILOT, STAYS), running=(busy, replace(busy, id=8, shares=(share("stays", cpus=4),))))
        )
    ) == ["resources"]


def test_a_gang_needs_as_many_nodes_that_stay():
    pilots = tuple(replace(PILOT, name=f"pilot-{number}", leaves_at=NOW + number * HOUR) for number in (1, 2, 3))

    assert placed(snapshot(job(nodes=2, max_runtime_seconds=2 * HOUR), nodes=pilots)) == {1: "pilot-2"}
    assert list(told(snapshot(job(nodes=3, max_runtime_seconds=2 * HOUR), nodes=pilots))) == ["node_leaves"]


def test_that_no_node_with_gpus_of_which_its_quota_has_some_left_stays_is_told_beside_who_goes_first():
    leaves = gpu_node("pilot-1", gpus=gpus(2, model=T4), leaves_at=NOW + 60)
    stay = [gpu_node(name) for name in ("a", "b")]
    busy = replace(running(9, share("full", gpu_indices=(0,))), started_at=NOW, expected_end=NOW + HOUR)
    full = gpu_node("full", gpus=gpus(1, model=T4))
    first = waiting(2, priority=90, request=Request(gpus=1, gpu_model="t4"), max_runtime_seconds=HOUR, project="other")
    wide = waiting(1, request=Request(gpus=1, nodes=2), max_runtime_seconds=HOUR)
    quota = ProjectView("vision", limits=Limits(gpu_models=(("h100", 1),)))
    seen = snapshot(first, wide, running=(busy,), nodes=(leaves, full, *stay), projects=(quota, ProjectView("other")))

    assert list(told(replace(seen, rules=Rules(policy="priority", backfill=Backfill.NONE)))) == ["node_leaves", "ahead"]


def test_a_node_that_goes_too_soon_is_none_of_those_that_a_job_may_choose_from():
    for seconds, nodes in ((HOUR, ["pilot-1", "stays"]), (3 * HOUR, ["stays"])):
        one = job(max_runtime_seconds=seconds)
        found = ranking(snapshot(one, nodes=(PILOT, STAYS)), NOW, one, 5)
        assert sorted(each.node for each in found.decision.candidates) == nodes


def test_nothing_is_kept_on_a_node_for_a_moment_at_which_it_has_gone():
    busy = tuple(
        replace(running(number, share(name, cpus=4)), started_at=NOW, expected_end=NOW + end * HOUR)
        for number, name, end in ((8, "pilot-1", 1.5), (9, "stays", 5))
    )
    world = snapshot(job(max_runtime_seconds=HOUR), running=busy, nodes=(PILOT, STAYS))

    [kept] = make_plan(world, NOW).reservations
    assert (kept.shares[0].node, kept.start) == ("stays", NOW + 5 * HOUR)


def test_one_that_no_node_stays_for_keeps_neither_a_node_nor_a_quota_from_a_shorter_one():
    long, short = job(1, max_runtime_seconds=3 * HOUR, cpus=1), job(2, max_runtime_seconds=HOUR, cpus=1)
    quota = ProjectView("vision", limits=Limits(cpus=4))
    holder = replace(running(9, share("pilot-1", cpus=3)), started_at=NOW, expected_end=NOW + HOUR / 2)
    for backfill in (Backfill.EASY, Backfill.CONSERVATIVE):
        rules = Rules(backfill=backfill, bounded_wait_seconds=1.0)
        world = snapshot(long, short, nodes=(PILOT,), projects=(quota,), running=(holder,))
        assert placed(replace(world, rules=rules)) == {2: "pilot-1"}
    assert not Eligibility(world, NOW).is_possible(long)
    assert Eligibility(world, NOW).is_possible(short)


def test_a_forecast_counts_on_no_node_that_has_gone_and_has_its_jobs_go_on_elsewhere():
    goes_on = replace(
        running(9, share("pilot-1", cpus=4)),
        started_at=NOW,
        checkpointable=True,
        request=Request(cpus=4),
        predicted_end=NOW + 4 * HOUR,
    )
    there = replace(running(8, share("stays", cpus=4)), started_at=NOW, expected_end=NOW + 3 * HOUR)
    world = snapshot(job(priority=10, max_runtime_seconds=HOUR), running=(goes_on, there), nodes=(PILOT, STAYS))

    rollout = Rollout(world, NOW, expected()).run([1], 50, 100 * HOUR)
    # job 9 is stopped with its node, takes the other one as soon as that is free, and only then comes job 1
    assert rollout.starts[1] > NOW + 3 * HOUR
    assert 9 in rollout.starts


def with_ends(world: Snapshot, seed: int) -> Snapshot:
    """Some nodes go, some jobs have limits, some save their work."""
    dice = Random(seed)  # noqa: S311 - no secret: the same seed has to give the same world
    ends = (None, 100.0, 160.0, 400.0, 1_000.0, 50_000.0)
    nodes = tuple(replace(one, leaves_at=dice.choice(ends)) for one in world.nodes)
    waits = tuple(
        replace(one, max_runtime_seconds=dice.choice((None, 50, 300, 4_000)), checkpointable=dice.random() < 0.5)
        for one in world.waiting
    )
    backfill = dice.choice(tuple(Backfill))
    return replace(
        world, nodes=nodes, waiting=waits, rules=Rules(backfill=backfill, policy=dice.choice(("priority", "floor")))
    )


ended_worlds = st.builds(with_ends, worlds, st.integers(0, 2**32))


@settings(max_examples=150)
@given(ended_worlds)
def test_no_plan_starts_or_promises_anything_that_a_node_would_not_stay_for(world):
    jobs, ends = {one.id: one for one in world.waiting}, {one.name: one.leaves_at for one in world.nodes}
    plan = make_plan(world, 100.0)
    starts = [(one.job_id, 100.0, one.shares) for one in plan.placements]
    for number, start, shares in [*starts, *((one.job_id, one.start, one.shares) for one in plan.reservations)]:
        one = jobs[number]
        needed = one.max_runtime_seconds or (600 if one.checkpointable else world.rules.assumed_limit_seconds)
        for part in shares:
            assert ends[part.node] is None or start + needed <= ends[part.node]


@settings(max_examples=150)
@given(ended_worlds)
def test_whoever_waits_is_told_why_and_starts_where_the_nodes_stay_if_only_that_kept_it(world):
    plan = make_plan(world, 100.0)
    waits = {one.job_id: {str(reason.code) for reason in one.reasons} for one in plan.waits}
    assert waits.keys() | {one.job_id for one in plan.placements} == {one.id for one in world.waiting}
    staying = tuple(replace(one, leaves_at=None) for one in world.nodes)
    for one in world.waiting:
        if waits.get(one.id) == {"node_leaves"}:
            alone = replace(world, waiting=(one,), nodes=staying, rules=replace(world.rules, policy="priority"))
            free = replace(alone, running=tuple(each for each in alone.running if not each.shares))
            assert make_plan(free, 100.0).placements
