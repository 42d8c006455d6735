"""What jobs are told under a floor: that their turn has not come, or that it has and others stop for them."""

from dataclasses import replace

import pytest

from scheduling.forecast.rollout import carried_out
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import EndedJob
from tests.scheduling.builders import cpu_node, snapshot, waiting

FLOOR = Rules(policy="floor", preemption=Preemption(restart_cost_seconds=0.0, max_per_job=2))
SAVES = {"checkpointable": True}


def job(job_id, cpus, limit, **more):
    return waiting(job_id, request=Request(cpus=cpus), submitted_at=0.0, max_runtime_seconds=limit, **more)


def world(*jobs, **more):
    return replace(snapshot(*jobs, nodes=(cpu_node(cpus=4),), **more), rules=FLOOR)


def half_taken(*jobs):
    """Two of four CPUs are held until 100, and job 2 waits for all of them."""
    first = replace(world(job(1, 2, 100), job(2, 4, 50)), taken_at=0.0)
    return then(first, make_plan(first, 0.0), 0.0, *jobs)


def then(before, plan, now, *new):
    """The next snapshot: all that the plan starts runs, all that it stops leaves."""
    after = carried_out(before, plan, now)
    gone = {one.job_id: one.for_job for one in plan.preemptions}
    running = tuple(
        replace(one, leaving=True, leaving_for=gone[one.id]) if one.id in gone else one for one in after.running
    )
    return replace(after, waiting=(*after.waiting, *new), running=running, shadow=plan.shadow)


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
    seen = half_taken(job(3, 2, 500, **SAVES))
    seen = then(seen, make_plan(seen, 1.0), 1.0)
    [gone] = [one for one in seen.running if one.id == 1]
    ended = EndedJob(job(1, 2, 100), 60.0)
    return replace(seen, running=tuple(one for one in seen.running if one is not gone), ended=(ended,))


def test_a_job_whose_turn_has_come_says_for_whom_it_waits():
    seen = stopped_for_job_2()

    assert [(one.job_id, one.for_job, one.strategy) for one in make_plan(seen, 60.0).preemptions] == [(3, 2, "floor")]
    assert told(seen, 2, 60.0)[0] == (
        "due",
        "Its turn has come: it starts as soon as job 3 has stopped to make room for it.",
        (3,),
    )


def test_it_still_says_so_while_they_stop():
    seen = stopped_for_job_2()
    seen = replace(then(seen, make_plan(seen, 60.0), 60.0), ended=())

    assert make_plan(seen, 61.0).preemptions == ()
    assert told(seen, 2, 61.0)[0][::2] == ("due", (3,))


def test_who_would_fit_beside_those_that_stop_is_told_whose_turn_has_come():
    seen = stopped_for_job_2()
    seen = replace(seen, waiting=(*seen.waiting, job(4, 2, 500, **SAVES)))

    [(code, sentence, held_by)] = told(seen, 4, 60.0)

    assert (code, held_by) == ("ahead", (2,))
    assert "job 2 (queue default, priority 50: its turn has come)" in sentence
