"""Room that is there and may not be had: who goes first and why, and all causes together."""

from dataclasses import replace

import pytest

from scheduling.forecast.outlook import outlook
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Backfill, Rules
from scheduling.snapshot import ProjectView, QueueView, Reservation
from tests.scheduling.builders import gpu_node, limited, running, share, snapshot, waiting
from tests.scheduling.full_worlds import knotted_world
from tests.scheduling.worlds import NOW

BUSY = replace(running(9, share(gpu_indices=(0, 1))), started_at=0.0, expected_end=600.0)
WIDE = waiting(1, request=Request(gpus=8), max_runtime_seconds=100, priority=60)
SMALL = waiting(2, request=Request(gpus=1), max_runtime_seconds=5000)
TWO = (gpu_node("gpu-1"), gpu_node("gpu-2"))
TEAM = (limited("team", gpus=8), ProjectView("vision"), ProjectView("paper", "team"))


def one_node(*jobs, **more):
    return snapshot(*jobs, nodes=(gpu_node(),), running=(BUSY,), **more)


def told(world, job_id=2, now=0.0):
    return next(wait.reasons for wait in make_plan(world, now).waits if wait.job_id == job_id)


def codes(world, job_id=2):
    return [str(one.code) for one in told(world, job_id)]


def maintenance(world, *nodes):
    return replace(world, reservations=(Reservation("upgrade", nodes, 400, 900),))


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (WIDE, "priority 60: it has the higher priority"),
        (replace(WIDE, priority=50), "priority 50: it came first"),
        (replace(WIDE, priority=10, queue="live"), "queue live, priority 10: queue live goes before default"),
        (replace(WIDE, priority=10, promised=True), "priority 10: others were stopped to make room for it"),
    ],
)
def test_who_goes_first_is_named_with_the_ground_for_it(first, why):
    [reason] = told(one_node(first, SMALL))

    assert (reason.code, reason.held_by) == ("ahead", (1,))
    assert "kept for job 1 (" in reason.sentence
    assert why in reason.sentence


def test_a_job_that_is_waited_for_goes_first_because_of_those_that_wait_for_it():
    urgent = waiting(3, queue="live", priority=90, unmet=(1,))

    [reason] = told(one_node(replace(WIDE, priority=10), SMALL, urgent))

    assert "priority 10: jobs that go first wait for it" in reason.sentence


def test_who_may_not_have_the_room_beside_which_more_comes_is_told_for_whom_it_is():
    """Job 1 was helped: six GPUs are free, and two come."""
    helped = replace(WIDE, promised=True, room=BUSY.shares)

    [reason] = told(replace(one_node(helped, SMALL), running=(replace(BUSY, leaving=True, leaving_for=1),)))

    assert (reason.code, reason.held_by) == ("ahead", (1,))
    assert "others were stopped to make room for it" in reason.sentence


def test_quota_that_is_coming_to_another_is_told_as_kept_for_it():
    """Job 1 was helped: two of the eight GPUs that its project may have come; nodes are idle."""
    helped = replace(WIDE, promised=True, room=BUSY.shares)
    world = snapshot(helped, SMALL, nodes=TWO, running=(replace(BUSY, leaving=True, leaving_for=1),))

    [reason] = told(replace(world, projects=(limited("vision", gpus=8),)))

    assert (reason.code, reason.held_by) == ("ahead", (1,))
    assert reason.sentence.startswith("The quota of project vision has room, but it is kept for job 1 (")


def test_who_goes_first_for_the_length_of_its_wait_is_said_to():
    rules = Rules(bounded_wait_seconds=100.0)
    first = replace(WIDE, priority=0, submitted_at=-500.0)

    [reason] = told(replace(one_node(first, replace(SMALL, submitted_at=-50.0)), rules=rules))

    assert "it has waited longer than the bounded wait" in reason.sentence


def test_another_policy_is_named_as_the_ground():
    queues = (QueueView("default", policy="sjf"),)

    assert "policy sjf puts it first" in told(one_node(WIDE, SMALL, queues=queues))[0].sentence


def test_strictly_in_order_nothing_starts_before_the_job_that_is_named():
    world = replace(one_node(WIDE, replace(SMALL, max_runtime_seconds=5)), rules=Rules(backfill=Backfill.NONE))

    [reason] = told(world)

    assert "without backfilling nothing starts before job 1" in reason.sentence


def test_a_job_with_a_reservation_of_its_own_names_the_one_before_it():
    second = waiting(2, request=Request(gpus=6), max_runtime_seconds=5000)

    [reason] = told(replace(one_node(WIDE, second), rules=Rules(backfill=Backfill.CONSERVATIVE)))

    assert (reason.code, reason.held_by) == ("ahead", (1,))


def test_a_reservation_that_also_blocks_is_told_beside_a_quota():
    full = replace(running(8, share("gpu-2", gpu_indices=tuple(range(8))), project="paper"), expected_end=900.0)
    small = replace(SMALL, project="paper")
    world = snapshot(
        replace(WIDE, request=Request(gpus=8, nodes=1)), small, nodes=TWO, running=(BUSY, full), projects=TEAM
    )

    assert codes(world) == ["quota", "ahead"]
    assert codes(replace(world, waiting=(world.waiting[0], replace(small, max_runtime_seconds=500)))) == ["quota"]


def test_maintenance_that_also_blocks_is_told_beside_a_quota_and_beside_a_reservation():
    world = one_node(WIDE, SMALL, projects=(limited("vision", gpus=2),))

    assert codes(maintenance(replace(world, waiting=(SMALL,)), "gpu-1")) == ["quota", "reserved"]
    assert codes(maintenance(one_node(WIDE, SMALL), "gpu-1")) == ["reserved", "ahead"]


def test_who_is_held_is_told_what_else_would_keep_it_but_not_of_those_behind_it():
    held = replace(SMALL, held="ann")

    assert codes(one_node(WIDE, held)) == ["held", "ahead"]
    assert codes(one_node(replace(WIDE, priority=40), held)) == ["held"]


def test_maintenance_is_not_taken_for_a_node_that_it_failed_on():
    world = maintenance(snapshot(replace(SMALL, avoid=("gpu-1",)), nodes=(gpu_node(),)), "gpu-1")

    assert codes(world) == ["reserved"]


def test_where_maintenance_and_an_earlier_failure_keep_it_together_both_are_told():
    world = maintenance(snapshot(replace(SMALL, avoid=("gpu-2",)), nodes=TWO), "gpu-1")

    assert codes(world) == ["reserved", "elsewhere"]


def test_only_who_could_start_has_a_place_in_line():
    first = replace(WIDE, held="ann")
    jobs = (first, SMALL, waiting(3, unmet=(2,)), waiting(4, queue="shut"), waiting(5, not_before=9.0))
    big = waiting(6, request=Request(gpus=8))
    queues = (QueueView("default", 5), QueueView("shut", 9, "paused"))
    world = replace(one_node(*jobs, big, queues=queues), running=())

    places = {job_id: outlook(world, 0.0, job_id) for job_id in (1, 3, 4, 5, 6)}

    assert {job_id: one.position for job_id, one in places.items()} == {1: None, 3: None, 4: None, 5: None, 6: 1}
    assert places[1].line_length == 1


@pytest.mark.parametrize(("seed", "job_id"), [(8_721_112, 1), (77_109_679, 6)])
def test_who_is_refused_by_a_quota_is_not_told_of_room_that_is_kept_for_itself_or_for_who_comes_later(seed, job_id):
    [told] = [wait.reasons for wait in make_plan(knotted_world(seed), NOW).waits if wait.job_id == job_id]

    assert [reason.code for reason in told] == ["quota"]
