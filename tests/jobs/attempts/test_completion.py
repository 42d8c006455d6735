"""The end of an attempt: job, attempt, placement and GPUs change together."""

import uuid

import pytest
from django.utils import timezone

from jobs.attempts.completion import finish
from jobs.models import Attempt, GpuHold, Job, JobEvent, Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason, JobState, PlacementState
from tests import builders

pytestmark = pytest.mark.django_db


def end(job: Job, reason: EndReason, **fields) -> frozenset[int]:
    placement = Placement.objects.select_related("attempt").get(attempt__job=job, closed_at__isnull=True)
    return finish([PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), reason, **fields)])


def test_a_completed_job_frees_everything_at_once():
    job = builders.running_job(gpu_indices=[0, 1])

    end(job, EndReason.COMPLETED, exit_code=0)

    job.refresh_from_db()
    placement = Placement.objects.get()
    assert (job.state, job.exit_code, job.end_reason, job.progress) == ("completed", 0, "completed", 1.0)
    assert job.finished_at is not None
    assert placement.state == PlacementState.CLOSED
    assert not GpuHold.objects.exists()
    assert Attempt.objects.get().end_reason == "completed"


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        (EndReason.EXIT_CODE, "failed"),
        (EndReason.START_FAILED, "failed"),
        (EndReason.TIMEOUT, "failed"),
        (EndReason.STALLED, "failed"),
        (EndReason.CANCELLED, "cancelled"),
        (EndReason.NODE_LOST, "pending"),
        (EndReason.LOST_LEASE, "pending"),
        (EndReason.PREEMPTED, "pending"),
    ],
)
def test_where_a_job_without_retries_goes(reason, state):
    job = builders.running_job()

    end(job, reason)

    job.refresh_from_db()
    assert job.state == state
    assert Attempt.objects.get().end_reason == reason


def test_a_retry_waits_for_its_back_off_with_a_reason():
    job = builders.running_job(max_retries=1)

    end(job, EndReason.EXIT_CODE, exit_code=3)

    job.refresh_from_db()
    assert (job.state, job.retries_used) == ("pending", 1)
    assert job.not_before is not None
    assert job.not_before > timezone.now()
    assert job.reasons[0]["code"] == "new"
    assert job.finished_at is None


def test_the_platform_s_faults_do_not_cost_the_user_s_retries(settings):
    settings.PLATFORM_RETRIES = 1
    job = builders.running_job(max_retries=1)

    end(job, EndReason.NODE_LOST)

    job.refresh_from_db()
    assert (job.state, job.retries_used, job.platform_retries_used) == ("pending", 0, 1)


def test_a_job_that_loses_its_node_too_often_fails(settings):
    settings.PLATFORM_RETRIES = 0
    job = builders.running_job()

    end(job, EndReason.NODE_LOST)

    job.refresh_from_db()
    assert (job.state, job.end_reason) == ("failed", "node_lost")


def test_a_job_that_is_being_cancelled_does_not_come_back_when_its_node_is_lost():
    job = builders.running_job(desired="cancel")

    end(job, EndReason.NODE_LOST)

    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_stale_token_ends_nothing():
    job = builders.running_job()
    placement = Placement.objects.get()

    assert finish([PlacementOutcome(PlacementRef(placement.pk, str(uuid.uuid4())), EndReason.COMPLETED)]) == frozenset()

    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_the_second_report_of_an_end_changes_nothing():
    job = builders.running_job()
    token = Attempt.objects.get().token
    ending = PlacementOutcome(PlacementRef(Placement.objects.get().pk, str(token)), EndReason.COMPLETED, exit_code=0)

    assert len(finish([ending])) == 1
    assert finish([ending]) == frozenset()
    assert JobEvent.objects.filter(job=job).count() == 1


def test_a_command_that_ended_before_its_start_was_recorded_has_a_whole_history():
    job = builders.job(state=JobState.ASSIGNED)
    builders.placement(attempt=builders.attempt(job=job), state=PlacementState.CLAIMED)

    end(job, EndReason.COMPLETED, exit_code=0, started_at=timezone.now())

    history = JobEvent.objects.filter(job=job).values_list("from_state", "to_state")
    assert list(history) == [("assigned", "running"), ("running", "completed")]
    job.refresh_from_db()
    assert job.started_at is not None


def test_endings_of_many_jobs_come_in_one_batch():
    jobs = [builders.running_job() for _ in range(3)]
    rows = Placement.objects.select_related("attempt")
    endings = [
        PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), EndReason.COMPLETED, exit_code=0) for row in rows
    ]

    assert len(finish(endings)) == 3
    assert set(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", flat=True)) == {"completed"}
