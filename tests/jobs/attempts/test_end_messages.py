"""What is said of an end: who wanted it, and whether the work was saved."""

import os

import pytest
from django.utils import timezone

from executors.run import saving
from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.models import Job, JobEvent, Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason
from tests import builders
from workers.runtime.checkpoints import CheckpointMonitor


def end(job: Job, reason: EndReason, **fields) -> str:
    [placement] = Placement.objects.filter(attempt__job=job, closed_at__isnull=True).select_related("attempt")
    finish([PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), reason, **fields)])
    job.refresh_from_db()
    return str(JobEvent.objects.filter(job=job).latest("id").message)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("exit_code", "saved", "words"),
    [
        (143, True, "Paused by ann. A checkpoint was written after the request."),
        (1, False, "Paused by ann. Its command ended with exit code 1. No checkpoint was written: its work is lost."),
        (137, False, "Paused by ann. It had not ended when its grace was over, and was killed. No checkpoint was written: its work is lost."),
        (143, None, "Paused by ann."),
    ],
)  # fmt: skip
def test_a_pause_says_whether_a_checkpoint_came_after_the_request(exit_code, saved, words):
    job = builders.running_job()
    actions.pause(job_id=job.pk, actor="ann")
    assert end(job, EndReason.PAUSED, exit_code=exit_code, asked=True, saved=saved) == words
    assert job.attempts.get().saved is saved


@pytest.mark.django_db
def test_without_a_new_checkpoint_the_time_of_the_last_one_is_told():
    job = builders.running_job(checkpoint_at=timezone.now())
    actions.pause(job_id=job.pk, actor="ann")
    words = end(job, EndReason.PAUSED, exit_code=143, asked=True, saved=False)
    assert "work since the last one" in words


@pytest.mark.django_db
def test_a_cancellation_names_who_wanted_it_whatever_came_before():
    job = builders.running_job()
    actions.pause(job_id=job.pk, actor="bob")
    actions.cancel(job_id=job.pk, actor="ann")
    assert end(job, EndReason.PAUSED, exit_code=143, asked=True, saved=False) == "Cancelled by ann."
    assert job.message == "Cancelled by ann."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("verb", "reason", "words"),
    [
        (actions.cancel, EndReason.CANCELLED, "Cancelled by ann. The rack is moved."),
        (actions.pause, EndReason.PAUSED, "Paused by ann. The rack is moved."),
        (actions.requeue, EndReason.PREEMPTED, "Requeued by ann. The rack is moved."),
    ],
    ids=["cancel", "pause", "requeue"],
)
@pytest.mark.parametrize("state", ["running", "queued"])
def test_why_somebody_wanted_it_is_told_behind_his_name(verb, reason, words, state):
    if state == "queued":
        [placement] = builders.gang(builders.node(), state="placed")
        job = placement.attempt.job
    else:
        job = builders.running_job()
    verb(job_id=job.pk, actor="ann", reason="The rack is moved.")
    if state == "running":
        end(job, reason, exit_code=143)
    assert job.attempts.get().message == words


@pytest.mark.django_db
def test_what_was_wished_of_an_attempt_before_says_nothing_of_this_one():
    job = builders.running_job()
    actions.requeue(job_id=job.pk, actor="ann")
    assert end(job, EndReason.PREEMPTED, exit_code=143) == "Requeued by ann."
    builders.placement(attempt=builders.attempt(job=job), state="running")
    Job.objects.update(state="running", desired="")
    assert "ann" not in end(job, EndReason.PREEMPTED, exit_code=143)


@pytest.mark.django_db
def test_of_a_gang_a_checkpoint_of_any_rank_counts_and_all_have_to_end_well():
    ranks = builders.gang(*(builders.node(name=name) for name in ("n1", "n2")), state="running", progress=1.0)
    job = ranks[0].attempt.job
    actions.pause(job_id=job.pk, actor="ann")
    token = str(ranks[0].attempt.token)
    for rank, code, saved in ((0, 0, True), (1, 1, False)):
        finish(
            [
                PlacementOutcome(
                    PlacementRef(ranks[rank].pk, token), EndReason.PAUSED, exit_code=code, asked=True, saved=saved
                )
            ]
        )
    job.refresh_from_db()
    assert (job.state, job.attempts.get().saved, job.attempts.get().exit_code) == ("paused", True, 1)


@pytest.fixture
def told(tmp_path):
    """A command with an older checkpoint and a report, and what was there as it was told to stop."""
    report, watch = tmp_path / "report.jsonl", CheckpointMonitor(tmp_path / "checkpoints")
    watch.folder.mkdir()
    (watch.folder / "old").write_text("x")
    report.write_text('{"checkpoint": true}\n')
    return saving.before_stop(watch, report), watch, report


def test_a_checkpoint_from_before_the_request_does_not_count(told):
    assert saving.since(*told) is False


def test_a_new_file_or_the_command_s_own_word_is_a_checkpoint(told):
    before, watch, report = told
    with report.open("a") as file:
        file.write('{"checkpoint": true}\n')
    assert saving.since(*told)
    report.write_text("")
    (watch.folder / "new").write_text("x")
    newest = watch.newest() + 1
    os.utime(watch.folder / "new", (newest, newest))
    assert saving.since(before, watch, report)
