"""Where a running job could go on without anybody being displaced, what stands against it, and what is kept for it meanwhile."""

from dataclasses import replace
from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.planning.moves import plan_move
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.snapshot import Limits, MoveRoom, ProjectView, QueueView, Reservation
from tests.scheduling.builders import gpu_node, running, share, snapshot, waiting

NOW = 100_000.0
HOUR = 3_600.0
NODES = (gpu_node("a", 4, cpus=8), gpu_node("b", 4, cpus=8), gpu_node("c", 4, cpus=8, labels={"zone": "z"}))


def holding(job_id, node, *indices, **more):
    job = running(job_id, share(node, cpus=len(indices), gpu_indices=indices))
    asks = more.pop("asks", {})
    known = {"checkpointable": True, "checkpoint_at": NOW - 90, "started_at": NOW - HOUR, "expected_end": NOW + HOUR}
    return replace(job, request=Request(cpus=len(indices), gpus=len(indices), **asks), **known | more)


MOVER = holding(900, "a", 0, 1)


def planned(*jobs, held=(MOVER,), node="", job_id=900, nodes=NODES, **more):
    seen = replace(snapshot(*jobs, running=tuple(held), nodes=nodes), **more)
    return plan_move(seen, NOW, job_id, node)


def codes(plan):
    return [one.code for one in plan.obstacles]


def test_it_goes_to_the_node_that_was_named_and_does_again_what_came_after_its_checkpoint():
    plan = planned(node="c")
    assert (plan.sources, plan.targets, plan.obstacles) == (("a",), ("c",), ())
    assert plan.shares[0].gpu_indices == (0, 1)
    assert plan.lost_seconds == 90 + Rules().preemption.restart_cost_seconds


def test_to_any_other_node_is_never_to_its_own():
    assert planned().targets in [("b",), ("c",)]


def test_a_job_that_holds_no_place_has_no_plan():
    assert planned(job_id=7) is None


def test_what_is_wrong_with_the_node_is_said():
    full = holding(901, "b", 0, 1, 2)
    gone = (*NODES[:2], replace(NODES[2], state="draining"))
    silent = (*NODES[:2], replace(NODES[2], alive=False))
    kept = (Reservation("r", ("c",), NOW, NOW + 9 * HOUR),)
    assert codes(planned(node="a")) == ["there"]
    assert codes(planned(node="nowhere")) == ["unknown"]
    assert codes(planned(node="b", held=(MOVER, full))) == ["resources"]
    assert "job 901 holds it" in planned(node="b", held=(MOVER, full)).obstacles[0].sentence
    assert "it is draining" in planned(node="c", nodes=gone).obstacles[0].sentence
    assert "it is silent" in planned(node="c", nodes=silent).obstacles[0].sentence
    assert codes(planned(node="c", reservations=kept)) == ["reserved"]


def test_a_job_that_only_its_own_node_could_hold_is_told_what_the_others_lack():
    pinned = holding(900, "c", 0, asks={"labels": (("zone", "z"),)})
    assert codes(planned(held=(pinned,))) == ["hardware"]
    assert "zone=z" in planned(held=(pinned,), node="b").obstacles[0].sentence


def test_room_that_the_next_plan_gives_away_or_keeps_is_nobody_else_s():
    wide = waiting(1, request=Request(gpus=4), max_runtime_seconds=3600)
    wider = waiting(2, request=Request(gpus=4, nodes=3), max_runtime_seconds=3600)
    starts = planned(wide, node="b", held=(MOVER, holding(901, "c", 0)))
    waits = planned(wider, node="b")
    assert (codes(starts), codes(waits)) == (["resources"], ["promised"])


def test_its_own_share_of_a_quota_does_not_stand_against_it_and_one_that_was_lowered_does():
    quota = ProjectView("vision", limits=Limits(gpus=2))
    assert planned(node="b", projects=(quota,)).targets == ("b",)
    assert codes(planned(node="b", projects=(replace(quota, limits=Limits(gpus=1)),))) == ["quota"]


def test_it_would_not_start_again_in_a_queue_that_is_paused():
    assert codes(planned(queues=(QueueView("default", state="paused"),))) == ["queue_paused"]


def test_a_gang_moves_as_a_whole_to_nodes_that_none_of_it_is_on():
    more = gpu_node("d", 4, cpus=8)
    gang = replace(
        running(900, share("a", gpu_indices=(0,)), share("b", gpu_indices=(0,))),
        request=Request(gpus=1, nodes=2), checkpointable=True,
    )  # fmt: skip
    named = planned(held=(gang,), nodes=(*NODES, more), node="d")
    assert [(one.node, one.rank) for one in named.shares] == [("d", 0), ("c", 1)]
    assert codes(planned(held=(gang,), nodes=(*NODES, more), node="b")) == ["there"]
    assert codes(planned(held=(gang,))) == ["hardware"]


def test_under_a_floor_the_planner_alone_moves_jobs():
    assert codes(planned(rules=Rules(policy="floor"))) == ["floor"]


def test_what_is_kept_for_a_mover_is_given_to_nobody_until_it_has_stopped_and_then_to_it():
    target = share("b", cpus=2, gpu_indices=(0, 1))
    leaving = replace(MOVER, leaving=True)
    urgent = waiting(1, request=Request(gpus=4), priority=90, max_runtime_seconds=60)
    nodes = NODES[:2]
    during = snapshot(urgent, running=(leaving, holding(901, "a", 2)), nodes=nodes)
    kept = make_plan(replace(during, kept=(MoveRoom(900, (target,)),)), NOW)
    mover = waiting(
        900,
        request=Request(cpus=2, gpus=2),
        priority=1,
        promised=True,
        pinned=True,
        room=(target,),
        max_runtime_seconds=60,
    )
    after = make_plan(snapshot(urgent, mover, running=(holding(901, "a", 2),), nodes=nodes), NOW)

    assert [one.job_id for one in make_plan(during, NOW).placements] == [1]
    assert kept.placements == ()
    assert [(one.job_id, one.shares[0].node, one.shares[0].gpu_indices) for one in after.placements] == [
        (900, "b", (0, 1))
    ]


@settings(max_examples=60)
@given(st.integers(0, 10_000))
def test_a_move_fits_beside_all_that_runs_and_all_that_the_next_plan_starts(seed):
    chance = Random(seed)  # noqa: S311 - a seed that hypothesis shrinks
    held, free = [], {node.name: list(range(4)) for node in NODES}
    for number in range(chance.randint(1, 6)):
        node = chance.choice(sorted(name for name, left in free.items() if left) or ["a"])
        count = min(len(free[node]), chance.randint(1, 2))
        indices = tuple(free[node].pop(0) for _ in range(count))
        if indices:
            held.append(holding(900 + number, node, *indices))
    line = [
        waiting(one, request=Request(gpus=chance.randint(1, 4)), max_runtime_seconds=chance.randint(60, 9_000))
        for one in range(1, chance.randint(1, 4))
    ]
    seen = snapshot(*line, running=tuple(held), nodes=NODES)
    mover = chance.choice(held)

    plan = plan_move(seen, NOW, mover.id)

    assert plan is not None
    assert bool(plan.shares) != bool(plan.obstacles)
    room = FreeNodes.of(seen)
    for one in make_plan(seen, NOW).placements:
        for part in one.shares:
            room.allocate(part, holder=one.job_id)
    for part in plan.shares:
        assert part.node not in plan.sources
        assert room[part.node].has(part)
