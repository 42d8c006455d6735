"""What people do to jobs that exist."""

import pytest

from jobs.control import actions
from jobs.models import Attempt, GpuHold, JobEvent
from scheduling.errors import ConflictError, InvalidError, NotFoundError
from scheduling.lifecycle import JobState
from tests import builders
from tests.changing import change

pytestmark = pytest.mark.django_db


def test_a_waiting_job_is_cancelled_at_once():
    job = actions.cancel(job_id=builders.job().pk, actor="ann")

    assert (job.state, job.end_reason, job.reasons) == ("cancelled", "cancelled", [])
    assert JobEvent.objects.get(kind="cancelled").actor == "ann"


def test_a_placed_job_that_nobody_claimed_is_cancelled_at_once_and_gives_its_gpus_back():
    job = builders.job(state=JobState.QUEUED, gpus=1)
    builders.placement(attempt=builders.attempt(job=job), gpu_indices=[0])

    assert actions.cancel(job_id=job.pk, actor="ann").state == "cancelled"
    assert not GpuHold.objects.exists()
    assert Attempt.objects.get().end_reason == "cancelled"


def test_a_running_job_is_asked_to_stop_once():
    job = builders.running_job()

    actions.cancel(job_id=job.pk, actor="ann")
    again = actions.cancel(job_id=job.pk, actor="ann")

    assert (again.state, again.desired) == ("running", "cancel")
    assert JobEvent.objects.filter(kind="cancel_requested").count() == 1


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
def test_a_job_that_is_over_cannot_be_cancelled(state):
    with pytest.raises(ConflictError, match=state):
        actions.cancel(job_id=builders.job(state=state).pk, actor="ann")


def test_a_job_that_is_not_there_is_not_found():
    with pytest.raises(NotFoundError):
        actions.cancel(job_id=1, actor="ann")


def test_a_job_that_ended_goes_back_in_line_with_all_its_retries():
    job = builders.job(state="failed", retries_used=2, exit_code=1, end_reason="exit_code", attempt=3)

    job = actions.requeue(job_id=job.pk, actor="ann")

    assert (job.state, job.retries_used, job.exit_code, job.end_reason, job.finished_at) == (
        "pending",
        0,
        None,
        "",
        None,
    )
    assert job.reasons[0]["code"] == "new"


def test_a_running_job_that_is_requeued_is_stopped_first():
    job = actions.requeue(job_id=builders.running_job().pk, actor="ann")

    assert (job.state, job.desired) == ("running", "requeue")


def test_a_waiting_job_or_one_being_cancelled_is_not_requeued():
    with pytest.raises(ConflictError):
        actions.requeue(job_id=builders.job().pk, actor="ann")
    with pytest.raises(ConflictError, match="cancelled"):
        actions.requeue(job_id=builders.running_job(desired="cancel").pk, actor="ann")


def test_the_place_in_line_changes_while_a_job_waits():
    job = change(job_id=builders.job().pk, actor="ann", priority="urgent", queue="live")

    assert (job.priority, job.queue.name) == (90, "live")
    assert JobEvent.objects.get(kind="changed").data["to"]["priority"] == 90


def test_a_running_job_keeps_its_priority_but_may_get_another_name():
    job = builders.running_job()

    with pytest.raises(ConflictError, match="priority"):
        change(job_id=job.pk, actor="ann", priority=90)
    assert change(job_id=job.pk, actor="ann", name="better").name == "better"


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"command": ["x"]}, "command"), ({"queue": "nope"}, "queue"), ({"priority": 101}, "priority")],
)
def test_what_cannot_be_changed_is_named(fields, named):
    with pytest.raises(InvalidError) as caught:
        change(job_id=builders.job().pk, actor="ann", **fields)
    assert [error.field for error in caught.value.errors] == [named]


def test_a_change_that_changes_nothing_leaves_no_event():
    change(job_id=builders.job(priority=50).pk, actor="ann", priority=50)

    assert not JobEvent.objects.exists()
