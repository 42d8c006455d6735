"""What may start while somebody waits for room, and when the one who waits will start."""

from dataclasses import replace

import pytest

from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Backfill, Rules
from scheduling.snapshot import Reservation
from tests.scheduling.builders import cpu_node, gpu_node, gpus, running, share, snapshot, waiting

NOW = 1000.0
FIFO = Rules(policy="fifo")


def run(job_id, cpus, ends_in, node="cpu-1"):
    return replace(running(job_id, share(node, cpus=cpus)), started_at=NOW - 10, expected_end=NOW + ends_in)


def job(job_id, cpus, limit, **more):
    return waiting(job_id, request=Request(cpus=cpus), max_runtime_seconds=limit, **more)


def pool(*jobs, running=(), cpus=10, rules=FIFO, **more):
    return replace(snapshot(*jobs, running=running, nodes=(cpu_node(cpus=cpus),)), rules=rules, **more)


def started(world):
    return [one.job_id for one in make_plan(world, NOW).placements]


WIDE_FIRST = (run(900, 8, 100),)
"""8 of 10 CPUs are taken for 100 s."""


def test_the_first_job_that_finds_no_room_gets_a_reservation_for_the_moment_at_which_it_will():
    (kept,) = make_plan(pool(job(1, 10, 50), running=WIDE_FIRST), NOW).reservations

    assert (kept.job_id, kept.start, kept.shares[0].node) == (1, NOW + 100, "cpu-1")


def test_a_job_that_ends_in_time_starts_before_the_one_with_the_reservation():
    assert started(pool(job(1, 10, 50), job(2, 2, 100), running=WIDE_FIRST)) == [2]


def test_a_job_that_would_last_too_long_waits_and_says_for_whom():
    (_, wait) = make_plan(pool(job(1, 10, 50), job(2, 2, 101), running=WIDE_FIRST), NOW).waits

    (reason,) = wait.reasons
    assert (reason.code, reason.held_by) == ("ahead", (1,))
    assert "kept for job 1" in reason.sentence


def test_a_long_job_may_have_what_the_reservation_leaves_over():
    assert started(pool(job(1, 9, 50), job(2, 1, 9999), job(3, 1, 9999), running=WIDE_FIRST)) == [2]


def test_without_backfilling_nothing_starts_behind_a_job_that_waits():
    world = pool(job(1, 10, 50), job(2, 2, 10), running=WIDE_FIRST, rules=replace(FIFO, backfill=Backfill.NONE))

    plan = make_plan(world, NOW)

    assert plan.placements == ()
    assert [str(wait.reasons[0].code) for wait in plan.waits] == ["resources", "ahead"]


def test_a_job_that_no_node_could_ever_hold_blocks_nobody():
    world = pool(job(1, 99, 50), job(2, 2, 10), rules=replace(FIFO, backfill=Backfill.NONE))

    assert started(world) == [2]


def test_shortest_job_backfilling_fills_the_hole_with_the_shortest():
    jobs = (job(1, 10, 50), job(2, 2, 90), job(3, 2, 20))

    assert started(pool(*jobs, running=WIDE_FIRST)) == [2]
    assert started(pool(*jobs, running=WIDE_FIRST, rules=replace(FIFO, backfill=Backfill.SJBF))) == [3]


def test_shortest_is_by_the_run_time_that_is_expected():
    jobs = (job(1, 10, 50), job(2, 2, 20), job(3, 2, 90, predicted_seconds=5.0))

    assert started(pool(*jobs, running=WIDE_FIRST, rules=replace(FIFO, backfill=Backfill.SJBF))) == [3]


def test_under_easy_a_second_waiting_job_may_be_delayed_and_under_conservative_it_may_not():
    """At 100 there is room for jobs 1 and 2; EASY keeps room for job 1 alone."""
    jobs = (job(1, 5, 100), job(2, 3, 100), job(3, 2, 150))
    held = (run(900, 6, 100), run(901, 2, 9999))

    assert started(pool(*jobs, running=held)) == [3]
    assert started(pool(*jobs, running=held, rules=replace(FIFO, backfill=Backfill.CONSERVATIVE))) == []


def test_more_jobs_than_the_first_may_get_a_reservation():
    plan = make_plan(
        pool(job(1, 10, 50), job(2, 10, 50), running=WIDE_FIRST, rules=replace(FIFO, reserve_depth=2)), NOW
    )

    assert [(one.job_id, one.start - NOW) for one in plan.reservations] == [(1, 100), (2, 150)]


def test_a_job_that_waited_too_long_gets_a_reservation_whatever_its_policy():
    starving = job(1, 10, 50, priority=0, submitted_at=NOW - 500)
    urgent = job(2, 2, 9999, priority=100, submitted_at=NOW)
    rules = Rules(policy="priority")

    assert started(pool(starving, urgent, running=WIDE_FIRST, rules=rules)) == [2]
    assert started(pool(starving, urgent, running=WIDE_FIRST, rules=replace(rules, bounded_wait_seconds=400))) == []


def test_a_reservation_on_one_node_leaves_the_others_open():
    nodes = (cpu_node("a", cpus=10), cpu_node("b", cpus=4))
    world = replace(
        snapshot(job(1, 10, 50), job(2, 4, 9999), running=(run(900, 8, 100, "a"),), nodes=nodes), rules=FIFO
    )

    assert started(world) == [2]


def test_a_reservation_takes_gpus_that_are_busy_now_and_leaves_the_free_ones():
    node = gpu_node("g", gpus=gpus(4))
    busy = replace(running(900, share("g", gpu_indices=(0, 1))), expected_end=NOW + 60)
    need_three = waiting(1, request=Request(gpus=3), max_runtime_seconds=100)
    long = waiting(2, request=Request(gpus=1), max_runtime_seconds=9999)

    plan = make_plan(replace(snapshot(need_three, long, running=(busy,), nodes=(node,)), rules=FIFO), NOW)

    assert plan.reservations[0].shares[0].gpu_indices == (0, 1, 2)
    assert plan.placements[0].shares[0].gpu_indices == (3,)


def test_a_gang_is_reserved_when_enough_nodes_are_free_at_once():
    nodes = tuple(cpu_node(name, cpus=4) for name in "abc")
    held = (run(900, 4, 100, "a"), run(901, 4, 300, "b"), run(902, 4, 200, "c"))
    gang = waiting(1, request=Request(cpus=4, nodes=2), max_runtime_seconds=50)

    (kept,) = make_plan(replace(snapshot(gang, running=held, nodes=nodes), rules=FIFO), NOW).reservations

    assert kept.start == NOW + 200
    assert [(one.node, one.rank) for one in kept.shares] == [("a", 0), ("c", 1)]


@pytest.mark.parametrize("late", [5, 500, 50_000])
def test_a_job_that_runs_beyond_its_limit_is_expected_to_stay_as_long_again(late):
    (kept,) = make_plan(pool(job(1, 10, 50), running=(run(900, 8, -late),)), NOW).reservations

    assert kept.start == NOW + late


@pytest.mark.parametrize("started_at", [None, NOW])
def test_a_job_without_a_limit_is_taken_to_run_for_the_assumed_one(started_at):
    endless = replace(running(900, share("cpu-1", cpus=8)), started_at=started_at)
    world = pool(job(1, 10, 50), running=(endless,), rules=replace(FIFO, assumed_limit_seconds=700))

    assert make_plan(world, NOW).reservations[0].start == NOW + 700


class TestAdvanceReservations:
    """Nodes that are kept for a project, or for nobody, in a window of time."""

    def world(self, *jobs, project=None, running=()):
        return pool(*jobs, running=running, reservations=(Reservation("r", ("cpu-1",), NOW + 100, NOW + 200, project),))

    def test_a_job_that_ends_before_the_window_may_start(self):
        assert started(self.world(job(1, 1, 100))) == [1]

    def test_a_job_that_would_reach_into_the_window_waits_and_says_why(self):
        (wait,) = make_plan(self.world(job(1, 1, 101)), NOW).waits

        assert [str(reason.code) for reason in wait.reasons] == ["reserved"]

    def test_a_job_of_the_project_it_is_for_may_start(self):
        assert started(self.world(job(1, 1, 101), project="vision")) == [1]

    def test_a_waiting_job_is_promised_a_start_after_the_window(self):
        plan = make_plan(self.world(job(1, 10, 150), running=(run(900, 8, 20),)), NOW)

        assert plan.reservations[0].start == NOW + 200
