"""GET /jobs/{id}/explain: why a job waits, until when, what would start it; how one came to run."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from jobs import predictions
from jobs.models import Attempt, Job
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture
def node():
    return builders.node(name="n1", gpus=4)


def explained(client, job):
    response = client.get(f"{V1}/jobs/{job.pk}/explain")
    assert response.status_code == 200, response.content
    return response.json()


def when(text):
    return datetime.fromisoformat(text)


def start_of(job):
    assert job.started_at is not None
    return job.started_at


def test_a_waiting_job_is_told_who_holds_what_it_needs_and_until_when(staff, node):
    ada = builders.user(username="ada")
    vision = builders.project(slug="vision")
    busy = builders.running_job(
        node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=600, project=vision, owner=ada, name="busy"
    )
    job = builders.job(gpus=2)

    told = explained(staff, job)

    [reason] = told["reasons"]
    assert (reason["code"], reason["shortfall"], reason["held_by"]) == ("resources", {"gpus": 1}, [busy.pk])
    assert reason["sentence"] == "Needs 2 GPUs; node n1 has the most free: 1 of 4."
    end = start_of(busy) + timedelta(seconds=600)
    [holder] = told["holders"]
    assert abs(when(holder.pop("expected_end")) - end) < timedelta(seconds=0.01)
    assert holder == {
        "id": busy.pk, "name": "busy", "project": "vision", "owner": "ada", "state": "running", "node": "n1",
    }  # fmt: skip
    assert told["predicted_start"]["expected"] == reason["expected_clear"]
    assert timedelta(0) <= when(reason["expected_clear"]) - end < timedelta(seconds=5)


def test_it_has_its_place_its_reservation_and_what_would_start_it_now(staff, node):
    builders.running_job(node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=600)
    job = builders.job(gpus=4)

    told = explained(staff, job)

    assert (told["job"], told["state"], told["position"], told["line_length"]) == (job.pk, "pending", 1, 1)
    assert told["reservation"]["nodes"] == ["n1"]
    assert told["changes"] == [
        {"field": "resources.gpus", "from": 4, "to": 1, "sentence": "With 1 GPU instead of 4 it would start now."}
    ]
    start = told["predicted_start"]
    assert start["soonest"] < start["expected"] < start["latest"]


def test_what_was_foretold_is_told_again_not_foretold_anew(staff, node):
    builders.running_job(node=node, gpu_indices=[0, 1, 2], max_runtime_seconds=600)
    job = builders.job(gpus=4)
    predictions.refresh()
    job.refresh_from_db()

    assert when(explained(staff, job)["predicted_start"]["expected"]) - job.predicted_start < timedelta(seconds=0.01)


def test_a_job_for_which_there_is_room_is_told_that_it_starts_next(staff, node):
    told = explained(staff, builders.job(gpus=1))

    assert (told["starts_now"], told["nodes"], told["changes"]) == (True, ["n1"], [])
    assert told["reasons"][0]["sentence"] == "There is room for it on n1: the next scheduling cycle starts it."


def test_of_jobs_that_the_caller_may_not_see_only_the_number_is_told(node):
    caller = builders.user()
    project = builders.project(members=[caller])
    hidden = builders.running_job(node=node, gpu_indices=[0, 1], name="secret", max_runtime_seconds=50)
    seen = builders.running_job(node=node, gpu_indices=[2, 3], project=project)
    job = builders.job(gpus=4, project=project)

    response = client_of(caller).get(f"{V1}/jobs/{job.pk}/explain")

    told = response.json()
    assert [one["id"] for one in told["holders"]] == [seen.pk]
    assert told["other_holders"] == 1
    assert told["reasons"][0]["held_by"] == [hidden.pk, seen.pk]
    assert "secret" not in response.content.decode()
    assert hidden.project.slug not in response.content.decode()


def test_a_quota_names_the_project_s_jobs_and_the_time_when_enough_have_ended(staff, node):
    project = builders.project(quota={"gpus": 2})
    busy = builders.running_job(node=node, gpu_indices=[0, 1], project=project, max_runtime_seconds=300)
    job = builders.job(gpus=1, project=project)

    [reason] = explained(staff, job)["reasons"]

    assert (reason["code"], reason["held_by"]) == ("quota", [busy.pk])
    assert 290 < (when(reason["expected_clear"]) - start_of(busy)).total_seconds() < 310


def test_a_reason_that_only_people_can_clear_has_no_time_and_the_job_no_start(staff, node):
    failed = builders.job(state="failed")
    told = explained(staff, builders.job(depends_on=[failed]))

    assert [(one["code"], one["expected_clear"]) for one in told["reasons"]] == [("dependency_failed", None)]
    assert told["predicted_start"] == {"expected": None, "soonest": None, "latest": None, "later_than": None}


def test_a_job_that_runs_is_told_where_and_how_it_came_there(staff, node):
    job = builders.running_job(node=node, gpu_indices=[0, 3], owner=builders.user(username="ada"))
    Attempt.objects.filter(job=job).update(created_at=job.created_at + timedelta(seconds=95))

    told = explained(staff, job)

    assert (told["position"], told["reasons"], told["predicted_start"], told["changes"]) == (None, [], None, [])
    assert [one["sentence"] for one in told["history"]] == [
        "Submitted by ada to queue default.",
        "Placed on n1 (GPUs 0 and 3), 1m 35s after it was submitted: the first cycle with room for it there.",
        "Started.",
    ]


def test_a_start_is_compared_with_what_was_foretold(staff, node):
    busy = builders.running_job(node=node, gpu_indices=[0, 1, 2, 3], max_runtime_seconds=600)
    job = builders.job(gpus=4)
    predictions.refresh()
    builders.attempt(job=job, started_at=start_of(busy) + timedelta(seconds=545))
    Job.objects.filter(pk=job.pk).update(state="running")

    sentence = explained(staff, job)["history"][-1]["sentence"]

    assert sentence.startswith("Started. 5")
    assert sentence.endswith("s sooner than was first expected.")


def test_a_job_that_is_over_is_told_how_it_ended(staff):
    job = builders.job(state="failed")
    builders.attempt(job=job, started_at=timezone.now(), ended_at=timezone.now(), end_reason="timeout")

    last = explained(staff, job)["history"][-1]["sentence"]

    assert last == "The command ran longer than its max_runtime_seconds and was stopped."


def test_more_jobs_in_line_take_no_more_statements(staff, node, django_assert_max_num_queries):
    builders.running_job(node=node, gpu_indices=[0, 1, 2, 3])
    job = builders.job(gpus=4)
    for _ in range(10):
        builders.job(gpus=4)

    with django_assert_max_num_queries(24):
        explained(staff, job)
