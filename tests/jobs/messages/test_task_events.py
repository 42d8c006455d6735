"""What Flower is told of runs: their ends as the platform sees them, under one name for all."""

from typing import Any

import pytest
from celery.events.state import State

from executors.celery_worker.run_request import RunRequest
from jobs.attempts import completion
from jobs.messages import publishing, task_events
from jobs.messages.publishing import PlacementMessage
from jobs.messages.routing import Route
from jobs.models import Job, Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch, django_capture_on_commit_callbacks) -> Any:
    """Ends a job and returns what Celery's own record of the task says then."""
    sent: list[task_events.RunEvent] = []
    monkeypatch.setattr(task_events, "_send", sent.extend)

    def end(job: Job, reason: EndReason, exit_code: int | None = None) -> tuple[str, str]:
        placement = Placement.objects.get(attempt__job=job)
        ref = PlacementRef(placement.pk, str(placement.attempt.token))
        with django_capture_on_commit_callbacks(execute=True):
            completion.finish([PlacementOutcome(ref, reason, exit_code=exit_code)])
        [event] = sent
        return state_after(event)

    return end


def state_after(event: task_events.RunEvent) -> tuple[str, str]:
    state: Any = State()
    worker = {"hostname": task_events.AGENT.format(event.node), "timestamp": 1.0, "local_received": 1.0, "clock": 1}
    for kind, fields in (("task-received", {"name": publishing.RUN}), ("task-started", {}), (event.kind, event.fields)):
        state.event({"type": kind, "uuid": event.uuid, **worker, **fields})
        worker["clock"] += 1
    task = state.tasks[event.uuid]
    return task.state, task.exception or task.result or ""


def test_a_run_that_completed_is_a_success(told):
    state, words = told(builders.running_job(), EndReason.COMPLETED, 0)
    assert (state, words) == ("SUCCESS", "completed: The command ended with exit code 0.")


def test_a_run_that_failed_for_good_is_a_failure(told):
    state, words = told(builders.running_job(max_retries=0), EndReason.EXIT_CODE, 3)
    assert state == "FAILURE"
    assert words.startswith("exit_code 3: ")


def test_a_run_that_is_tried_again_is_a_retry(told):
    state, _ = told(builders.running_job(max_retries=3), EndReason.EXIT_CODE, 3)
    assert state == "RETRY"


@pytest.mark.parametrize("reason", [EndReason.PREEMPTED, EndReason.PAUSED, EndReason.NODE_LOST])
def test_a_run_that_gave_its_place_back_is_a_retry(told, reason: EndReason):
    assert told(builders.running_job(), reason)[0] == "RETRY"


def test_a_run_that_was_cancelled_is_revoked(told):
    assert told(builders.running_job(desired="cancel"), EndReason.CANCELLED)[0] == "REVOKED"


def test_a_placement_that_no_agent_had_taken_is_told_to_nobody(monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(task_events, "_send", lambda _: pytest.fail("told"))
    job = builders.job(state="queued")
    placement = builders.placement(attempt=builders.attempt(job=job))
    with django_capture_on_commit_callbacks(execute=True):
        completion.finish(
            [PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), EndReason.NODE_LOST)]
        )


def test_a_message_carries_one_name_for_all_jobs_and_one_id_for_each_run():
    messages = [
        publishing._placement_message(PlacementMessage(7, "token", Route("cpu.normal.n1", 5), 3, name, 2))
        for name in ("secret-project", "another")
    ]

    assert {message["name"] for message in messages} == {publishing.RUN}
    assert {message["task_id"] for message in messages} == {"job-3-attempt-2-placement-7"}
    assert not any("shadow" in message for message in messages)
    assert "secret-project" in messages[0]["argsrepr"]


@pytest.mark.parametrize(("returned", "sent"), [(True, []), (False, ["task-rejected"])])
def test_that_a_doorbell_was_answered_is_not_told_as_the_end_of_its_run(monkeypatch, returned: bool, sent: list[str]):
    told: list[str] = []
    monkeypatch.setattr("celery.worker.request.Request.send_event", lambda _self, kind, **_: told.append(kind))

    RunRequest.send_event(object.__new__(RunRequest), "task-succeeded", result=repr(returned))

    assert told == sent
