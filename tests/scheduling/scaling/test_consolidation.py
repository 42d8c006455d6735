"""Which node of a pool is emptied as its jobs have room on the others, and when everything stays where it is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduling.planning.plan import make_plan
from scheduling.planning.rebalancing import Knobs
from scheduling.resources import Request
from scheduling.scaling.consolidation import consolidation
from scheduling.scaling.decision import Moment
from scheduling.scaling.demand import demand
from scheduling.scaling.pools import LABEL, NodePool
from scheduling.stages import in_line, started
from tests.scheduling.builders import gpu_node, running, share, snapshot, waiting

NOW = 100_000.0
HOUR = 3_600.0
KNOBS = Knobs()


def member(name):
    return gpu_node(name, 4, cpus=8, labels={LABEL: "gpu"})


NAMES = ("gpu-1", "gpu-2", "gpu-3")
POOL = NodePool("gpu", member("shape"), frozenset(NAMES), consolidates=True)


def holding(job_id, node, *indices, ran=2 * HOUR, ends=3 * HOUR, **more):
    """A job that wrote a checkpoint a minute ago."""
    job = running(job_id, share(node, cpus=len(indices), gpu_indices=indices), priority=10)
    more = {"checkpointable": True, "checkpoint_at": NOW - 60} | more
    request = Request(cpus=len(indices), gpus=len(indices))
    return replace(job, started_at=NOW - ran, expected_end=NOW + ends, request=request, **more)


def found(*held, pool=POOL, jobs=(), knobs=KNOBS, names=NAMES, nodes=(), history=()):
    pool = replace(pool, nodes=frozenset(names))
    world = snapshot(*jobs, running=held, nodes=(*map(member, names), *nodes))
    (asked,) = demand(world, NOW, [pool])
    return consolidation(world, NOW, pool, asked, knobs, history)


def thin(**more):
    """A quarter of each of two nodes, and half of the third."""
    return (holding(1, "gpu-1", 0, **more), holding(2, "gpu-2", 0, **more), holding(3, "gpu-3", 0, 1))


def test_the_node_that_is_cheapest_to_empty_goes_and_its_jobs_have_room_on_the_others():
    one = found(*thin())
    assert one.node in ("gpu-1", "gpu-2")
    assert [(move.source, move.lost_seconds) for move in one.moves] == [(one.node, 180)]
    assert one.moves[0].target.node != one.node
    # Four GPUs are free three hours sooner, but for the stop, and for what its work is late on the other node.
    assert one.gain == (3 * HOUR - 60 - 180) * 4
    assert one.cost == 180


@pytest.mark.parametrize(
    "more",
    [
        {"checkpointable": False},
        {"preemptible": False},
        {"ran": 1_800},  # it has just begun
        {"ends": 240},  # the node is idle soon without that
        {"checkpoint_at": None, "ran": 20 * HOUR, "ends": HOUR},  # too much work would be lost
        {"leaving": True},
    ],
)
def test_who_must_stay_or_soon_ends_or_loses_too_much_keeps_its_node(more):
    assert found(*thin(**more)[:2], names=NAMES[:2]) is None


def test_nobody_moves_unless_the_pool_says_so_or_below_its_least():
    assert found(*thin(), pool=replace(POOL, consolidates=False)) is None
    assert found(*thin(), pool=replace(POOL, min_nodes=3)) is None


def test_nobody_moves_while_somebody_waits_for_room_in_the_pool():
    wide = [waiting(request=Request(gpus=4)) for _ in range(60)]
    assert found(*thin(), jobs=wide) is None


@pytest.mark.parametrize(("ago", "change", "moves"), [(300, 1, False), (900, 1, True), (300, -1, True)])
def test_nobody_moves_soon_after_the_pool_has_grown(ago, change, moves):
    assert (found(*thin(), history=(Moment(NOW - ago, 3, change),)) is not None) is moves


def test_nobody_moves_onto_an_idle_node_of_the_pool_which_goes_first():
    full = [holding(number, "gpu-2", number) for number in range(4)]
    assert found(holding(9, "gpu-1", 0), *full, pool=replace(POOL, spare_nodes=1)) is None
    assert found(holding(9, "gpu-1", 0), holding(8, "gpu-2", 0)) is None  # gpu-3 is idle


def test_an_idle_machine_outside_of_all_pools_takes_them():
    one = found(holding(1, "gpu-1", 0), holding(2, "gpu-2", 0, 1, 2, 3), names=NAMES[:2], nodes=(gpu_node("own", 1),))
    assert (one.node, one.moves[0].target.node) == ("gpu-1", "own")


def test_a_node_that_would_be_needed_as_long_for_those_who_move_there_saves_nothing():
    """Both would end within the hour, the one that moves hours later: its new node is needed as long as its old one."""
    long, short = holding(1, "gpu-1", 0, ends=4 * HOUR), holding(2, "gpu-2", 0, ends=300)
    one = found(long, short, names=NAMES[:2])
    assert one is None or one.gain < 300 * 4


def test_no_more_move_than_may():
    many = [holding(number, "gpu-1", number - 1) for number in range(1, 3)]
    others = [holding(8, "gpu-2", 0, 1), holding(9, "gpu-3", 0, 1, 2)]
    assert found(*many, *others, knobs=replace(KNOBS, max_moves=1)) is not None
    assert found(*many, others[0], names=NAMES[:2], knobs=replace(KNOBS, max_moves=0)) is None


HOLDERS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 3), st.booleans()), max_size=6)


@given(HOLDERS, st.integers(0, 2))
def test_after_the_move_everybody_runs_again_at_once_and_the_node_is_idle(holders, least):
    """The planner itself, asked with the node drained and its jobs back in line, starts them all."""
    free = dict.fromkeys(NAMES, 0)
    held = []
    for number, (node, width, saves) in enumerate(holders, 1):
        if free[node] + width <= 4:
            indices = range(free[node], free[node] + width)
            held.append(holding(number, node, *indices, checkpointable=saves))
            free[node] += width
    one = found(*held, pool=replace(POOL, min_nodes=least))
    if one is None:
        return
    moved = {move.job_id for move in one.moves}
    nodes = [replace(member(name), state="draining" if name == one.node else "up") for name in NAMES]
    after = snapshot(
        *(in_line(job, NOW) for job in held if job.id in moved),
        running=tuple(job for job in held if job.id not in moved),
        nodes=tuple(nodes),
    )
    plan = make_plan(after, NOW)
    assert {placed.job_id for placed in plan.placements} == moved
    assert moved == {job.id for job in held if job.shares[0].node == one.node}
    jobs = {job.id: job for job in after.waiting}
    again = [started(jobs[placed.job_id], placed.shares, NOW) for placed in plan.placements]
    assert all(job.shares[0].node != one.node for job in again)
