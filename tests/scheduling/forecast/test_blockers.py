"""Until when each reason holds, worked out by hand."""

from dataclasses import replace

import pytest

from scheduling.forecast.blockers import BlockerContext, with_expected_clear
from scheduling.forecast.forecast import forecast
from scheduling.lifecycle import JobState
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.snapshot import ProjectView, QueueView
from tests.scheduling.builders import gpu_node, limited, running, share, snapshot, waiting


def held(job_id, *indices, until, **more):
    job = running(job_id, share(gpu_indices=indices), **more)
    return replace(job, started_at=0.0, expected_end=until)


def told(world, job_id=1, now=0.0):
    """The job's reasons in its plan, by code: when each clears, and who holds what it needs."""
    wait = next(one for one in make_plan(world, now).waits if one.job_id == job_id)
    job = next(one for one in world.waiting if one.id == job_id)
    scene = BlockerContext.of(world, now, forecast(world, now))
    return {one.code: (one.expected_clear, one.held_by) for one in with_expected_clear(job, wait.reasons, scene)}


def one_node(*jobs, **more):
    return snapshot(*jobs, nodes=(gpu_node(),), **more)


def test_room_is_there_when_the_job_is_expected_to_start():
    world = one_node(waiting(1, request=Request(gpus=7)), running=(held(8, 0, until=50), held(9, 1, until=90)))

    assert told(world) == {"resources": (50, (8, 9))}


def test_a_quota_is_free_when_enough_jobs_below_it_have_ended():
    tree = (limited("acme", gpus=4), ProjectView("vision", "acme"), ProjectView("speech", "acme"), ProjectView("other"))
    runs = (
        held(11, 0, 1, until=300, project="vision"),
        held(12, 2, until=100, project="speech"),
        held(13, 3, until=200, project="speech"),
        held(14, 4, until=10, project="other"),
    )

    assert told(one_node(waiting(1, request=Request(gpus=2)), running=runs, projects=tree)) == {
        "quota": (200, (12, 13, 11))
    }


def test_a_quota_that_is_too_small_for_the_job_never_clears():
    world = one_node(waiting(1, request=Request(gpus=2)), projects=(limited(gpus=1),))

    assert told(world) == {"quota": (None, ())}


def test_a_queue_s_limit_clears_when_enough_of_its_jobs_have_ended():
    runs = tuple(held(20 + one, one, until=100.0 * one, queue="q") for one in (1, 2, 3))
    world = one_node(waiting(1, queue="q"), running=runs, queues=(QueueView("q", max_running=2),))

    assert told(world) == {"queue_limit": (200, (21, 22, 23))}


def test_dependencies_clear_with_the_end_of_the_last():
    first = waiting(2, request=Request(gpus=8), max_runtime_seconds=1000, estimated_runtime_seconds=70)
    world = one_node(waiting(1, unmet=(2, 3)), first, running=(held(3, 0, until=40),))

    assert told(world) == {"dependency": (110, (2, 3))}


def test_a_dependency_that_nobody_knows_the_end_of_leaves_it_open():
    world = one_node(waiting(1, unmet=(2, 3)), running=(held(3, 0, until=40),))

    assert told(world) == {"dependency": (None, (2, 3))}


@pytest.mark.parametrize(
    ("to", "clears"), [(JobState.PENDING, False), (JobState.CANCELLED, True), (JobState.PAUSED, False)]
)
def test_a_job_that_is_being_stopped_clears_what_waits_for_its_end_if_that_is_one(to, clears):
    leaving = replace(held(3, 0, until=40), leaving=True, leaves_to=to)
    ends, completes = waiting(1, unmet=(3,), needs_end=(3,)), waiting(2, unmet=(3,))

    assert (told(one_node(ends, running=(leaving,)))["dependency"][0] is not None) is clears
    assert told(one_node(completes, running=(leaving,)), 2)["dependency"][0] is None


def test_a_not_before_clears_at_its_time():
    assert told(one_node(waiting(1, not_before=500.0)), now=100.0) == {"not_before": (500, ())}


@pytest.mark.parametrize(
    ("world", "code"),
    [
        (one_node(waiting(1, broken=(4,))), "dependency_failed"),
        (one_node(waiting(1, request=Request(gpus=9))), "hardware"),
        (one_node(waiting(1, queue="q"), queues=(QueueView("q", state="paused"),)), "queue_paused"),
    ],
)
def test_what_somebody_has_to_change_clears_at_no_time(world, code):
    assert told(world)[code][0] is None


def test_a_plan_s_own_reasons_tell_no_times_and_look_as_ever():
    [wait] = make_plan(one_node(waiting(1, not_before=500.0)), 0.0).waits

    assert "expected_clear" not in wait.reasons[0].as_data()
    assert replace(wait.reasons[0], expected_clear=5.0).as_data()["expected_clear"] == 5.0
