"""What jobs are told under a floor: that their turn has not come, or that it has and others stop for them."""

from dataclasses import replace

import pytest

from scheduling.planning.plan import make_plan
from tests.scheduling.floor_worlds import SAVES, carried_on, ended, half_taken, job, world


def told(seen, job_id, now=1.0):
    [reasons] = [wait.reasons for wait in make_plan(seen, now).waits if wait.job_id == job_id]
    return [(str(one.code), one.sentence, one.held_by) for one in reasons]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "is not checkpointable"),
        ({**SAVES, "preemptible": False}, "is not preemptible"),
        ({**SAVES, "preemptions": 2}, "was stopped twice, and no job is stopped more often"),
        ({"preemptible": False}, "is not checkpointable and is not preemptible"),
    ],
)
def test_a_job_that_would_fit_is_told_why_it_may_not_start_before_its_turn(more, why):
    seen = half_taken(job(3, 2, 500, **more))

    sentence = "There is room, but before its turn only a job may have it that saves its work and can be stopped again"
    assert told(seen, 3) == [("turn", f"{sentence}; this one {why}.", ())]


def test_a_job_that_can_give_way_again_starts_there_and_needs_no_reason():
    seen = half_taken(job(3, 2, 500, **SAVES))

    assert [one.job_id for one in make_plan(seen, 1.0).placements] == [3]


def test_a_job_whose_turn_it_is_starts_whatever_it_is_like():
    seen = half_taken(job(3, 2, 50))

    assert [one.job_id for one in make_plan(seen, 1.0).placements] == [3]


def test_a_job_without_room_is_told_of_the_room_and_of_no_turn():
    seen = half_taken(job(3, 3, 500))

    assert [code for code, _, _ in told(seen, 3)] == ["resources"]


def stopped_for_job_2():
    """Job 3 has started before its turn; at 60 job 1 ends, and it is the turn of job 2, which needs all."""
    return ended(carried_on(half_taken(job(3, 2, 500, **SAVES)), 1.0), job(1, 2, 100), 60.0)


def test_a_job_whose_turn_has_come_says_for_whom_it_waits():
    seen = stopped_for_job_2()

    assert [(one.job_id, one.for_job, one.strategy) for one in make_plan(seen, 60.0).preemptions] == [(3, 2, "floor")]
    assert told(seen, 2, 60.0)[0] == (
        "due",
        "Its turn has come: it starts as soon as job 3 has stopped to make room for it.",
        (3,),
    )


def test_it_still_says_so_while_they_stop():
    seen = carried_on(stopped_for_job_2(), 60.0)

    assert make_plan(seen, 61.0).preemptions == ()
    assert told(seen, 2, 61.0)[0][::2] == ("due", (3,))


def test_who_would_fit_beside_those_that_stop_is_told_whose_turn_has_come():
    seen = stopped_for_job_2()
    seen = replace(seen, waiting=(*seen.waiting, job(4, 2, 500, **SAVES)))

    [(code, sentence, held_by)] = told(seen, 4, 60.0)

    assert (code, held_by) == ("ahead", (2,))
    assert "job 2 (queue default, priority 50: its turn has come)" in sentence


def test_who_is_released_has_its_turn_at_once_though_nothing_else_has_changed():
    held = carried_on(world(job(1, 2, 100, held="ann")), 0.0)

    seen = replace(held, waiting=(job(1, 2, 100),))

    assert [one.job_id for one in make_plan(seen, 1.0).placements] == [1]
