"""What running jobs report, on its way to the database."""

import os
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, transaction

from executors.run.placement_run import PlacementRun
from executors.upload import logs, progress
from jobs.attempts.claims import PlacementSpec
from jobs.models import Job
from jobs.models.logs import LogChunk
from tests import builders
from tests.racing import hold, race
from workers.runtime.checkpoints import CheckpointMonitor
from workers.runtime.shim.clock import boottime

pytestmark = pytest.mark.django_db


@pytest.fixture
def job():
    return builders.running_job()


@pytest.fixture
def run(job, tmp_path):
    return run_of(job, tmp_path)


def run_of(job, folder):
    """The job as its agent sees it."""
    attempt = job.attempts.get()
    claimed = PlacementSpec(
        placement_id=attempt.placements.get().pk, token=str(attempt.token), job_id=job.pk, job_name=job.name,
        attempt_id=attempt.pk, attempt=attempt.number, project=job.project.slug, command=("true",), working_dir="",
        env={}, cpus=1, memory_mb=0, gpu_indices=(), max_runtime_seconds=None,
    )  # fmt: skip
    made = PlacementRun(claimed, folder, lease_deadline=boottime() + 60)
    (folder / "checkpoints").mkdir(parents=True)
    made.checkpoints = CheckpointMonitor(folder / "checkpoints")
    return made


def said(run, *lines):
    with (run.folder / "report.jsonl").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def shipped(run, job):
    progress.ship_progress([run])
    job.refresh_from_db()
    return job


def test_a_job_that_says_so_has_written_a_checkpoint(run, job):
    said(run, '{"checkpoint": true}')

    assert abs((datetime.now(UTC) - shipped(run, job).checkpoint_at).total_seconds()) < 5
    assert (job.progress_at, job.metrics) == (None, {})


def test_a_new_file_in_the_folder_for_checkpoints_counts_as_one(run, job):
    path = run.folder / "checkpoints" / "latest.pt"
    path.write_text("weights")
    os.utime(path, (1_700_000_000, 1_700_000_000))

    assert shipped(run, job).checkpoint_at == datetime.fromtimestamp(1_700_000_000, UTC)


def test_a_checkpoint_from_the_future_was_written_now_and_an_older_one_takes_nothing_back(run, job):
    path = run.folder / "checkpoints" / "latest.pt"
    path.write_text("weights")
    os.utime(path, (4_000_000_000, 4_000_000_000))
    latest = shipped(run, job).checkpoint_at
    assert latest <= datetime.now(UTC)

    run.checkpoints = CheckpointMonitor(run.folder / "checkpoints")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert shipped(run, job).checkpoint_at == latest


def test_progress_leaves_the_checkpoint_alone(run, job):
    said(run, '{"progress": 0.5, "loss": 1.5}')

    assert (shipped(run, job).progress, job.metrics, job.checkpoint_at) == (0.5, {"loss": 1.5}, None)
    assert job.progress_at is not None


def test_a_stale_attempt_writes_nothing(run, job):
    type(job).objects.filter(pk=job.pk).update(attempt=2)
    said(run, '{"checkpoint": true, "progress": 0.5}')

    assert (shipped(run, job).progress, job.checkpoint_at) == (None, None)


def test_a_forged_token_writes_neither_progress_nor_log(run, job):
    forged = PlacementRun(replace(run.claimed, token=str(uuid.uuid4())), run.folder, lease_deadline=boottime() + 60)
    said(forged, '{"progress": 0.9, "checkpoint": true}')
    (run.folder / "log").write_text("forged\n")

    logs.ship_logs([forged])

    assert (shipped(forged, job).progress, job.checkpoint_at) == (None, None)
    assert not LogChunk.objects.exists()


def test_what_the_database_did_not_take_is_written_with_what_came_after_it(run, job, monkeypatch):
    said(run, '{"progress": 0.4, "loss": 3, "accuracy": 0.1}', '{"checkpoint": true}')
    with monkeypatch.context() as away:
        away.setattr(progress, "UPDATE_PROGRESS", "SELECT 1 / 0")
        with pytest.raises(DatabaseError), transaction.atomic():
            progress.ship_progress([run])

    said(run, '{"done": true, "loss": 2}')

    assert (shipped(run, job).progress, job.metrics) == (0.4, {"loss": 2, "accuracy": 0.1})
    assert (job.said_done, job.checkpoint_at is not None) == (True, True)


@pytest.mark.django_db(transaction=True)
def test_the_progress_of_a_node_is_written_in_the_order_of_ids(tmp_path):
    low, high = (builders.job(state=state) for state in ("running", "assigned"))
    for job in (high, low):  # whichever table or index a plain update began with, it would come to the lower id last
        builders.placement(attempt=builders.attempt(job=job), state="running")
    runs = [run_of(job, tmp_path / str(job.pk)) for job in (high, low)]
    for run in runs:
        said(run, '{"progress": 0.5}')

    race(hold(low), lambda: progress.ship_progress(runs), meanwhile=hold(high))

    assert list(Job.objects.values_list("progress", flat=True)) == [0.5, 0.5]
