"""A pool whose jobs are moved together: it needs fewer nodes, nobody loses more than a move costs, and nothing comes back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planning.rebalancing import Knobs
from scheduling.rules import HOUR, Rules
from simulator.autoscaled_replay import AutoscaledReplay, Autoscaling
from simulator.cluster import nodes_of
from simulator.settings import Settings
from tests.simulator.builders import jobs

CHECKPOINT, RESTART, GRACE = 1_800.0, 60.0, 60.0
MOVES = Knobs(stop_seconds=GRACE)
SETTINGS = {"checkpoint_s": CHECKPOINT, "restart_s": RESTART, "grace_s": GRACE}
THINNED = [(0, 10 * HOUR, 1), (0, 2 * HOUR, 3), (1, 10 * HOUR, 1), (1, 2 * HOUR, 3)]
"""(submit, run, width): after two hours two nodes of four CPUs hold one job of one CPU each."""


def played(rows, *, moves=MOVES, spare=0, **more):
    how = Settings(Rules(policy="fifo", explain=False), **(SETTINGS | more))
    scaling = Autoscaling(every_s=120, spare_nodes=spare, moves=moves)
    pool = AutoscaledReplay(jobs(*rows), nodes_of("6x4x0"), how, scaling)
    return pool, pool.run()


def paid(pool):
    return sum(one.removed_at - one.asked_at for one in pool.lifetimes)


@pytest.mark.parametrize("grace", [0.0, GRACE])
def test_a_node_goes_whose_job_has_room_on_another_one(grace):
    still, _ = played(THINNED, moves=None)
    pool, outcome = played(THINNED, grace_s=grace)
    [emptied] = pool.emptied
    assert 2 * HOUR < emptied.at < 3 * HOUR
    assert still.emptied == []
    assert paid(pool) < paid(still) - 7 * HOUR
    assert sum(one.preemptions for one in outcome.jobs) == 1


@pytest.mark.parametrize("more", [{"checkpoint_s": None}, {"checkpointable": 0.0}])
def test_nobody_moves_who_saves_nothing(more):
    pool, _ = played(THINNED, **more)
    assert pool.emptied == []


FIRST_MINUTE = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([600, HOUR, 2 * HOUR, 5 * HOUR]), st.integers(1, 4)),
    min_size=2,
    max_size=8,
)


@settings(max_examples=25)
@given(FIRST_MINUTE, st.integers(0, 1))
def test_a_job_loses_no_more_than_its_moves_cost_and_the_pool_does_not_turn(rows, spare):
    pool, outcome = played(sorted(rows), spare=spare)
    runs = {one.job.number: [run for run in outcome.runs if run.number == one.job.number] for one in outcome.jobs}
    for one in outcome.jobs:
        mine = runs[one.job.number]
        assert sum(run.end - run.start - run.lost_s for run in mine) == pytest.approx(one.job.run_s)
        assert sum(run.lost_s for run in mine) <= one.preemptions * (CHECKPOINT + RESTART + GRACE)
        assert all(run.end - run.start >= MOVES.cooldown_seconds for run in mine[:-1])
    for run in outcome.runs:
        lives = [life for life in pool.lifetimes if life.node == run.nodes[0]]
        assert any(life.ready_at <= run.start and run.end <= life.removed_at for life in lives)
    # Nobody came after the first minute: what was saved was not bought again.
    if pool.emptied:
        assert all(life.asked_at < pool.emptied[0].at for life in pool.lifetimes)
