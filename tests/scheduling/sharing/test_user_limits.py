"""What one user may hold in a project, and in a queue."""

from dataclasses import replace

import pytest

from scheduling.forecast.outlook import outlook
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.sharing.admission import admission_faults
from scheduling.sharing.associations import in_project, in_queue
from scheduling.sharing.quotas import may_wait
from scheduling.snapshot import Limits, ProjectView, QueueView
from tests.scheduling.builders import gpu_node, limited, running, share, snapshot, waiting

GPU = Request(gpus=1)
TREE = (limited("acme", each_user=Limits(gpus=4)), limited("vision", parent="acme", each_user=Limits(gpus=2)))
NIGHT = (QueueView("night", each_user=Limits(gpus=2, running_jobs=3)), QueueView("default"))


def runs(job_id, *indices, owner="ann", until=100.0, **more):
    job = running(job_id, share(gpu_indices=indices), **more)
    return replace(job, owner=owner, started_at=0.0, expected_end=until)


def world(*jobs, running=(), projects=TREE, **more):
    return snapshot(*jobs, nodes=(gpu_node(number=16),), running=running, projects=projects, **more)


def asks(job_id, owner="ann", gpus=1, seconds=50, **more):
    return waiting(job_id, request=Request(gpus=gpus), owner=owner, max_runtime_seconds=seconds, **more)


def started_in(snap, now=0.0):
    return [one.job_id for one in make_plan(snap, now).placements]


def reasons_of(snap, job_id, now=0.0):
    return next(wait.reasons for wait in make_plan(snap, now).waits if wait.job_id == job_id)


def test_a_user_holds_no_more_than_is_allowed_and_others_are_not_held_up():
    jobs = [*(asks(number) for number in (1, 2, 3)), asks(4, "bob"), asks(5, "bob")]

    assert started_in(world(*jobs)) == [1, 2, 4, 5]


def test_jobs_of_two_users_that_ask_for_the_same_are_not_taken_for_one_another():
    jobs = [
        waiting(number, request=GPU, owner=owner) for number, owner in enumerate(("ann", "ann", "ann", "bob", "bob"), 1)
    ]

    assert started_in(world(*jobs)) == [1, 2, 4, 5]


def test_who_waits_for_more_than_a_lowered_limit_is_told_what_would_change_it():
    [reason] = reasons_of(world(asks(1, gpus=3), projects=(limited("vision", each_user=Limits(gpus=2)),)), 1)

    assert reason.sentence == (
        "The quota of project vision allows a user 2 GPUs (0 in use); this job needs 3 GPUs. It can never start like this: "
        "submit it again with at most 2 GPUs, or have the quota of project vision for a user raised by 1 GPU."
    )


def test_what_a_user_holds_below_counts_at_every_level_above():
    speech = limited("speech", parent="acme")
    jobs = [asks(number, project="speech") for number in (1, 2, 3)]

    held = (runs(8, 0, 1),)
    assert started_in(world(*jobs, running=held, projects=(*TREE, speech))) == [1, 2]


def test_who_is_refused_is_told_the_level_the_numbers_the_holders_and_the_change_that_would_start_it():
    held = (runs(8, 0, until=60), runs(9, 1), runs(10, 2, owner="bob"))

    told = outlook(world(asks(1), running=held), 0.0, 1)

    [reason] = told.reasons
    assert reason.sentence == "The quota of project vision allows a user 2 GPUs (2 in use); this job needs 1 GPU."
    assert (reason.code, reason.held_by, reason.expected_clear) == ("quota", (8, 9), 60)
    assert told.start.expected == 60
    [change] = told.changes
    assert change.sentence == "If the quota of project vision allowed a user 3 GPUs instead of 2, it would start now."
    assert (change.before, change.after) == ({"vision": {"user_gpus": 2}}, {"vision": {"user_gpus": 3}})


def test_a_limit_of_a_queue_counts_in_that_queue_alone_and_is_told_by_its_name():
    held = (runs(8, 0, 1, queue="night"), runs(9, 2, queue="default"))
    open_tree = (ProjectView("vision"),)

    told = outlook(world(asks(1, queue="night"), running=held, projects=open_tree, queues=NIGHT), 0.0, 1)

    assert told.reasons[0].sentence == "Queue night allows a user 2 GPUs (2 in use); this job needs 1 GPU."
    assert (told.reasons[0].code, told.reasons[0].held_by, told.reasons[0].expected_clear) == ("queue_limit", (8,), 100)
    assert [change.field for change in told.changes] == ["queue"]


def test_running_jobs_of_a_user_in_a_queue_are_counted():
    jobs = [waiting(number, owner="ann", queue="night") for number in range(1, 6)]

    plan = make_plan(world(*jobs, waiting(9, owner="bob", queue="night"), queues=NIGHT), 0.0)

    assert [one.job_id for one in plan.placements] == [1, 2, 3, 9]
    assert plan.waits[0].reasons[0].sentence == "Queue night allows a user 3 running jobs (3 running)."


def test_a_users_large_job_at_the_head_keeps_its_room_in_the_limit():
    """Otherwise the user's own small ones would start for ever in what each of them frees."""
    held = (runs(9, 1, until=100), runs(10, 2, owner="bob", until=30))
    large, long, short = asks(1, gpus=2), asks(2, seconds=150), asks(3, seconds=60)

    snap = world(large, long, short, running=held)

    assert started_in(snap) == [3]
    [behind] = reasons_of(world(large, long, running=held), 2)
    assert behind.sentence.startswith("The quota of project vision for a user has room, but it is kept for job 1")
    assert started_in(world(large, running=()), 100.0) == [1]


def test_nobody_is_stopped_for_a_limit_that_would_not_be_freed_by_it():
    eager = Rules(preemption=Preemption(("priority",), min_runtime_seconds=0, only_checkpointable=False))
    held = (runs(8, 0, 1, until=9_000.0), runs(9, 2, owner="bob", priority=1))
    urgent = asks(1, priority=90)

    plan = make_plan(replace(world(urgent, running=held), rules=eager), 1_000.0)
    assert [(one.job_id, one.for_job) for one in plan.preemptions] == [(8, 1)]

    firm = (replace(held[0], preemptible=False), held[1])
    assert make_plan(replace(world(urgent, running=firm), rules=eager), 1_000.0).preemptions == ()


def test_a_limit_below_what_is_held_stops_nobody_and_starts_nothing():
    held = (runs(8, 0, 1, 2, 3),)
    reason, _ = reasons_of(world(asks(1), running=held), 1)

    assert make_plan(world(asks(1), asks(2, "bob"), running=held), 0.0).preemptions == ()
    assert reason.sentence == "The quota of project vision allows a user 2 GPUs (4 in use); this job needs 1 GPU."
    assert reason.shortfall == {"gpus": 3}


def test_limits_that_are_not_enforced_hold_nobody_back():
    shown = (limited("vision", enforced=False, each_user=Limits(gpus=1)),)

    assert started_in(world(asks(1), asks(2), projects=shown)) == [1, 2]


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (
            in_project("vision", Limits(gpus=2), "ann"),
            "The quota of project vision allows a user at most 2 GPUs at once; this job needs 3 GPUs.",
        ),
        (
            in_queue("night", Limits(gpus=2), "ann"),
            "Queue night allows a user at most 2 GPUs at once; this job needs 3 GPUs.",
        ),
    ],
)
def test_what_could_never_run_is_refused_with_the_level(level, words):
    [fault] = admission_faults(Request(gpus=3), nodes=(gpu_node(),), chain=(level,))

    assert (fault.field, fault.message) == ("resources.gpus", words)


def test_waiting_jobs_of_a_user_are_counted_at_each_level():
    level = in_project("vision", Limits(waiting_jobs=3), "ann")

    assert may_wait(chain=[level], waiting={"vision/ann": 2}) == ()
    [reason] = may_wait(chain=[level], waiting={"vision/ann": 3})
    assert reason.sentence == "The quota of project vision allows a user 3 waiting jobs (3 now)."


def test_who_borrows_is_held_to_the_limit_of_a_user_too():
    tree = (
        ProjectView("team"),
        limited("vision", parent="team", gpus=4),
        replace(limited("speech", parent="team", gpus=2, each_user=Limits(gpus=3))),
    )
    lent = tuple(
        replace(one, limits=replace(one.limits, borrowing=one.limits.borrowing._replace(gpus=4))) if one.limits else one
        for one in tree
    )
    jobs = [asks(number, project="speech") for number in range(1, 6)]

    assert started_in(world(*jobs, asks(9, "bob", project="speech"), projects=lent)) == [1, 2, 3, 9]
