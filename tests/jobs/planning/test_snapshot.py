"""The planner's picture: what it says of jobs, and that what it keeps from the last one is never stale."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Job, queries
from jobs.planning import job_rows, snapshot
from jobs.planning.snapshot import take_snapshot
from scheduling.lifecycle import JobState
from scheduling.resources import Request
from tests import builders
from workers import protocol

pytestmark = pytest.mark.django_db


def waiting():
    return {job.id: job for job in take_snapshot().waiting}


def test_equal_requests_are_one_object_also_over_reads():
    project = builders.project()
    first = builders.job(project=project, cpus=2, gpus=1)
    before = waiting()[first.pk].request
    second = builders.job(project=project, cpus=2, gpus=1)
    now = waiting()
    assert now[first.pk].request is now[second.pk].request is before
    assert before == Request(cpus=2, gpus=1)


def test_a_job_that_did_not_change_is_not_made_anew():
    job = builders.job()
    assert waiting()[job.pk] is waiting()[job.pk]


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [
        ("priority", 77, "priority"),
        ("max_runtime_seconds", 60, "max_runtime_seconds"),
        ("predicted_runtime_seconds", 30.0, "predicted_seconds"),
        ("promised", True, "promised"),
        ("checkpointable", True, "checkpointable"),
    ],
)
def test_a_job_that_changed_is_seen_as_it_is(column, value, name):
    job = builders.job()
    waiting()
    Job.objects.filter(pk=job.pk).update(**{column: value})
    assert getattr(waiting()[job.pk], name) == value


def test_a_job_that_asks_for_something_else_is_seen_so():
    job = builders.job(cpus=1)
    waiting()
    Job.objects.filter(pk=job.pk).update(cpus=3)
    assert waiting()[job.pk].request.cpus == 3


def test_what_was_read_from_another_server_is_read_anew(monkeypatch):
    """After a failover the new server may give the same version to another row."""
    job = builders.job()
    before = waiting()[job.pk]
    monkeypatch.setattr(job_rows, "SERVER", "SELECT 'another'")

    assert waiting()[job.pk] is not before


def test_only_rows_that_were_written_since_are_read_whole(monkeypatch):
    first, second = builders.job(), builders.job()
    waiting()
    Job.objects.filter(pk=second.pk).update(priority=77)
    asked = []
    rows = queries.rows

    def read(*given):
        asked.append(given)
        return rows(*given)

    monkeypatch.setattr(job_rows, "rows", read)

    assert waiting().keys() >= {first.pk, second.pk}
    assert [given[1] for given in asked if given[0] == job_rows.WAITING] == [[second.pk]]


def test_a_dependency_that_ends_is_met_and_one_that_fails_is_broken():
    needed, other = builders.job(state="running"), builders.job(state="running")
    job = builders.job(depends_on=[needed, other])
    assert waiting()[job.pk].unmet == (needed.pk, other.pk)
    Job.objects.filter(pk=needed.pk).update(state=JobState.COMPLETED, finished_at=timezone.now())
    Job.objects.filter(pk=other.pk).update(state=JobState.FAILED, finished_at=timezone.now())
    assert (waiting()[job.pk].unmet, waiting()[job.pk].broken) == ((), (other.pk,))
    Job.objects.filter(pk=other.pk).update(state=JobState.COMPLETED)
    assert waiting()[job.pk].broken == ()


def test_a_job_that_waited_for_others_stands_in_line_since_the_last_of_them_ended():
    came, ended = timezone.now() - timedelta(hours=45), timezone.now() - timedelta(minutes=1)
    needed = builders.job(state="completed", finished_at=ended)
    job, other = builders.job(created_at=came, depends_on=[needed]), builders.job(created_at=came)
    seen = waiting()
    assert seen[job.pk].waits_since == pytest.approx(ended.timestamp())
    assert seen[other.pk].waits_since == pytest.approx(came.timestamp())


def test_a_job_that_is_tried_again_after_a_while_is_as_old_as_ever():
    came, again = timezone.now() - timedelta(hours=45), timezone.now() - timedelta(minutes=1)
    job = builders.job(created_at=came, not_before=again)
    assert waiting()[job.pk].waits_since == pytest.approx(came.timestamp())


def test_an_owner_with_a_new_name_and_one_who_is_gone():
    ada = builders.user(username="ada")
    job = builders.job(owner=ada)
    assert waiting()[job.pk].owner == "ada"
    ada.username = "ada-l"
    ada.save()
    assert waiting()[job.pk].owner == "ada-l"
    ada.delete()
    assert waiting()[job.pk].owner == ""


def test_a_job_that_left_the_line_is_not_in_it():
    job = builders.job()
    waiting()
    Job.objects.filter(pk=job.pk).update(state=JobState.CANCELLED, finished_at=timezone.now())
    assert waiting() == {}


def test_too_many_different_requests_are_forgotten(monkeypatch):
    monkeypatch.setattr(job_rows, "MOST_REQUESTS", 1)
    jobs = [builders.job(cpus=number) for number in (1, 2, 3)]
    waiting()
    assert [waiting()[job.pk].request.cpus for job in jobs] == [1, 2, 3]


def test_a_running_job_says_all_that_preemption_asks_for():
    saved = timezone.now() - timedelta(seconds=30)
    job = builders.running_job(
        owner=builders.user(username="ada"),
        cpus=4,
        node_labels={"zone": "a"},
        max_runtime_seconds=600,
        checkpointable=True,
        checkpoint_at=saved,
    )
    [seen] = take_snapshot().running
    asked = Request(cpus=4, labels=(("zone", "a"),))
    assert (seen.owner, seen.request, seen.checkpointable, seen.leaving) == ("ada", asked, True, False)
    assert seen.expected_end == pytest.approx(job.started_at.timestamp() + 600)
    assert seen.checkpoint_at == pytest.approx(saved.timestamp())


def test_a_suspended_job_says_since_when_it_stands_still():
    since = timezone.now() - timedelta(hours=3)
    builders.running_job(suspended_at=since, max_runtime_seconds=600)
    [seen] = take_snapshot().running
    assert seen.suspended_since == pytest.approx(since.timestamp())


@pytest.mark.parametrize(("grace", "counts"), [(None, 60), (120, 120), (7, 60), (10**6, 900)])
def test_a_job_that_was_told_to_stop_may_stay_for_its_grace(settings, grace, counts):
    settings.LEASE_SECONDS, settings.KILL_GRACE_SECONDS, settings.PREEMPT_GRACE_SECONDS = 20, 30, 60
    settings.MAX_GRACE_SECONDS = 900
    builders.running_job(desired="cancel", grace_seconds=grace)
    snap = take_snapshot()
    assert snap.running[0].gone_by == pytest.approx(snap.taken_at + 20 + counts, abs=5)


@pytest.mark.parametrize(
    ("desired", "to"),
    [
        ("cancel", "cancelled"),
        ("pause", "paused"),
        ("requeue", "pending"),
        ("preempt", "pending"),
        ("stall", "pending"),
    ],
)
def test_a_job_that_was_told_to_stop_is_leaving_and_it_is_known_for_where(desired, to):
    builders.running_job(desired=desired)
    assert [(job.leaving, job.leaves_to) for job in take_snapshot().running] == [(True, to)]


def test_a_machine_that_got_another_gpu_is_seen_with_it():
    node = builders.node(gpus=1)
    assert len(snapshot.nodes()[0].gpus) == 1
    node.gpus = [builders.gpu(index=0), builders.gpu(index=1)]
    node.labels = {"rack": "a"}
    node.save()
    [seen] = snapshot.nodes()
    assert (len(seen.gpus), seen.labels, seen.alive) == (2, {"rack": "a"}, True)


def test_a_silent_machine_is_not_alive():
    builders.node(silent=True), builders.node(heartbeat=timezone.now() - timedelta(hours=1))
    assert [node.alive for node in snapshot.nodes()] == [False, False]


def test_a_node_with_a_full_disk_gets_nothing():
    builders.node(name="full", load={"disk_full": True})
    builders.node(name="gone", state="down", load={"disk_full": True})
    builders.node(name="well", load={"disk_full": False})
    assert {node.name: node.state for node in snapshot.nodes()} == {"full": "draining", "gone": "down", "well": "up"}


def test_a_node_whose_agent_is_not_understood_gets_nothing():
    for number in (protocol.OLDEST - 1, protocol.OLDEST, protocol.PROTOCOL, protocol.PROTOCOL + 1):
        builders.node(name=f"speaks{number}", load={"protocol": number})
    builders.node(name="silent", load={})  # of an agent from before there were protocols
    builders.node(name="odd", load={"protocol": "one"})
    assert {node.name: node.state for node in snapshot.nodes()} == {
        f"speaks{protocol.OLDEST - 1}": "draining",
        f"speaks{protocol.OLDEST}": "up",
        f"speaks{protocol.PROTOCOL}": "up",
        f"speaks{protocol.PROTOCOL + 1}": "draining",
        "silent": "up" if protocol.OLDEST == 0 else "draining",
        "odd": "draining",
    }


def test_gpus_that_are_out_take_part_in_no_plan_but_still_belong_to_their_node():
    builders.node(gpus=3, load={"gpus_out": [{"index": 1, "reason": "Xid 79"}]})
    assert [gpu.index for gpu in snapshot.nodes(usable=True)[0].gpus] == [0, 2]
    assert [gpu.index for gpu in snapshot.nodes()[0].gpus] == [0, 1, 2]
    assert [gpu.index for gpu in take_snapshot().nodes[0].gpus] == [0, 2]
