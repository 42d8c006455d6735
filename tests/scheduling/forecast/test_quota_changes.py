"""Who holds a quota that refuses a job, and how much more it would have to allow."""

from dataclasses import replace

from scheduling.forecast.outlook import outlook
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.snapshot import ProjectView
from tests.scheduling.builders import gpu_node, limited, running, share, snapshot, waiting

TREE = (limited("acme", gpus=4), limited("vision", parent="acme", gpus=3), ProjectView("speech", "acme"))


def runs(job_id, *indices, project="vision", cpus=1, until=100.0):
    job = running(job_id, share(gpu_indices=indices, cpus=cpus), project=project)
    return replace(job, started_at=0.0, expected_end=until)


def world(*jobs, running, projects=TREE):
    return snapshot(*jobs, nodes=(gpu_node(),), running=running, projects=projects)


def test_the_plan_itself_names_who_holds_the_quota_the_largest_first():
    busy = (runs(7), runs(8, 0), runs(9, 1, 2))

    [wait] = make_plan(world(waiting(1, request=Request(gpus=1)), running=busy), 0.0).waits

    [reason] = wait.reasons
    assert (reason.held_by, reason.holds) == ((9, 8), {9: {"gpus": 2}, 8: {"gpus": 1}})


def test_who_starts_in_this_very_pass_holds_it_too():
    jobs = [waiting(number, request=Request(gpus=2), max_runtime_seconds=50) for number in (1, 2)]

    [reason] = outlook(world(*jobs, running=()), 0.0, 2).reasons

    assert (reason.code, reason.held_by, reason.expected_clear) == ("quota", (1,), 50)


def test_a_full_queue_names_its_jobs():
    busy = (runs(8, 0), runs(9, 1))
    full = replace(world(waiting(1), running=busy, projects=(ProjectView("vision"),)), queues=())
    full = replace(full, queues=(replace(snapshot().queues[1], max_running=2),))

    assert make_plan(full, 0.0).waits[0].reasons[0].held_by == (8, 9)


def test_the_smallest_raise_that_would_start_it_is_offered():
    busy = (runs(8, 0, 1, 2),)

    [change] = outlook(world(waiting(1, request=Request(gpus=1)), running=busy), 0.0, 1).changes

    assert change.sentence == "If the quota of project vision allowed 4 GPUs instead of 3, it would start now."
    assert (change.field, change.before, change.after) == ("quota", {"vision": {"gpus": 3}}, {"vision": {"gpus": 4}})


def test_quotas_at_several_levels_are_raised_together():
    busy = (runs(8, 0, 1, 2), runs(9, 3, project="speech"))

    [change] = outlook(world(waiting(1, request=Request(gpus=1)), running=busy), 0.0, 1).changes

    assert change.after == {"vision": {"gpus": 4}, "acme": {"gpus": 5}}
    assert "vision allowed 4 GPUs instead of 3 and that of project acme allowed 5 GPUs" in change.sentence


def test_a_raise_is_enough_for_those_who_would_get_of_it_first():
    jobs = [waiting(number, request=Request(gpus=1)) for number in (1, 2)]

    [change] = outlook(world(*jobs, running=(runs(8, 0, 1, 2),)), 0.0, 2).changes

    assert change.after == {"vision": {"gpus": 5}, "acme": {"gpus": 5}}


def test_no_raise_is_offered_where_there_is_no_room():
    busy = (runs(8, 0, 1, 2), runs(9, 3, 4, 5, 6, 7, project="other"))
    tree = (*TREE, ProjectView("other"))

    answer = outlook(world(waiting(1, request=Request(gpus=1)), running=busy, projects=tree), 0.0, 1)

    assert (len(answer.reasons), answer.changes) == (2, ())
