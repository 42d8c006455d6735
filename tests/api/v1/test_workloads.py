"""Workloads over REST."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from jobs.models import Job, Workload
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return builders.project(slug="vision")


@pytest.fixture
def ann(project):
    return builders.member(project=project, user=builders.user(username="ann"))


@pytest.fixture
def client(ann):
    return client_of(ann)


@pytest.fixture
def sweep(project, ann):
    return builders.workload(name="sweep", project=project, owner=ann)


def at(workload, verb=""):
    return f"{V1}/workloads/{workload.pk}{f'/{verb}' if verb else ''}"


def in_it(workload, **fields):
    return builders.job(project=workload.project, workload=workload, owner=workload.owner, **fields)


def test_one_is_made_empty_and_told_whole(client):
    made = client.post(f"{V1}/workloads", {"name": "sweep", "project": "vision", "max_running": 4, "held": True})

    assert made.status_code == 201
    told = made.json()
    assert (told["name"], told["project"], told["owner"]) == ("sweep", "vision", "ann")
    assert (told["wanted"], told["state"], told["max_running"]) == ("held", "held", 4)
    assert (told["jobs"], told["counts"], told["progress"], told["first_failure"]) == (0, {}, None, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"project": "vision"}, "name"),
        ({"name": "7", "project": "vision"}, "name"),
        ({"name": "a b", "project": "vision"}, "name"),
        ({"name": "sweep", "project": "nowhere"}, "project"),
        ({"name": "s", "project": "vision", "max_running": 0}, "max_running"),
        ({"name": "s", "project": "vision", "maxrunning": 3}, "maxrunning"),
    ],
)
def test_a_bad_one_is_refused_with_its_field(client, body, field):
    answer = client.post(f"{V1}/workloads", body)
    assert answer.status_code == 400
    assert field in faults(answer)
    assert not Workload.objects.exists()


def test_a_name_is_taken_once_in_a_project(client, sweep):
    answer = client.post(f"{V1}/workloads", {"name": "sweep", "project": "vision"})
    assert faults(answer) == {"name": "There is a workload sweep in project vision already."}


def test_a_batch_makes_it_together_with_its_jobs_and_they_are_its_tasks(client):
    body = {
        "workload": {"name": "sweep", "stop_on_failure": True},
        "defaults": {"project": "vision", "command": ["true"]},
        "jobs": [{"name": "a"}, {"name": "b"}, {"name": "c", "workload": "other"}],
    }
    assert client.post(f"{V1}/jobs/batch", body).status_code == 201

    tasks = client.get(f"{V1}/jobs", {"workload": "sweep", "name": "a"}).json()
    assert [(job["name"], job["workload"]) for job in tasks["results"]] == [("a", "sweep")]
    assert {row["name"]: row["jobs"] for row in client.get(f"{V1}/workloads").json()["results"]} == {
        "sweep": 2, "other": 1,
    }  # fmt: skip
    assert Workload.objects.get(name="sweep").stop_on_failure


def test_a_single_job_names_its_workload_and_a_bad_name_is_refused(client):
    job = {"project": "vision", "command": ["true"]}
    assert client.post(f"{V1}/jobs", job | {"workload": "sweep"}).json()["workload"] == "sweep"
    assert "workload" in faults(client.post(f"{V1}/jobs", job | {"workload": "1 2"}))


def test_jobs_are_found_by_the_number_of_their_workload_too(client, sweep):
    job = in_it(sweep)
    builders.job(project=sweep.project)
    for value in (str(sweep.pk), "sweep"):
        assert [one["id"] for one in client.get(f"{V1}/jobs", {"workload": value}).json()["results"]] == [job.pk]
    assert client.get(f"{V1}/jobs", {"workload": "9" * 30}).json()["results"] == []


def test_how_it_stands_is_worked_out_from_its_jobs(client, sweep):
    in_it(sweep, state="completed", estimated_cost=2)
    in_it(sweep, progress=0.5, estimated_cost=1)
    failed = in_it(sweep, state="failed", end_reason="exit_code", message="Exit code 3.")

    told = client.get(at(sweep)).json()

    assert (told["state"], told["jobs"], told["done"]) == ("waiting", 3, 2)
    assert told["counts"] == {"pending": 1, "completed": 1, "failed": 1}
    assert told["progress"] == 0.5
    assert told["estimated_cost"] == 3.0
    assert told["first_failure"]["job"] == failed.pk
    assert told["first_failure"]["message"] == "Exit code 3."


def test_its_end_is_foretold_once_that_of_each_open_job_is(client, sweep):
    soon = timezone.now() + timedelta(hours=1)
    in_it(sweep, predicted_start=soon, predicted_runtime_seconds=60)
    late = in_it(sweep, predicted_start=soon, max_runtime_seconds=600)
    told = client.get(at(sweep)).json()["predicted_end"]
    assert abs((datetime.fromisoformat(told) - soon).total_seconds() - 600) < 1

    Job.objects.filter(pk=late.pk).update(predicted_start=None)
    assert client.get(at(sweep)).json()["predicted_end"] is None


@pytest.mark.parametrize(("verb", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_verb_may_come_twice(client, sweep, verb, state):
    in_it(sweep)
    for _ in range(2):
        answer = client.post(at(sweep, verb))
        assert (answer.status_code, answer.json()["state"]) == (200, state)


def test_a_verb_that_cannot_be_is_a_conflict_that_says_why(client, sweep):
    client.post(at(sweep, "cancel"))
    answer = client.post(at(sweep, "resume"))
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "Workload sweep is cancelled, and nothing takes that back.",
    )


def test_start_resume_and_retry(client, project, ann):
    held = builders.workload(project=project, owner=ann, wanted="held")
    failed = in_it(held, state="failed")
    assert client.post(at(held, "start")).json()["wanted"] == "open"
    client.post(at(held, "pause"))
    assert client.post(at(held, "resume")).json()["wanted"] == "open"
    assert client.post(at(held, "retry-failed")).json()["counts"] == {"pending": 1}
    assert Job.objects.get(pk=failed.pk).state == "pending"


def test_its_terms_and_the_priority_of_all_that_wait_are_changed(client, sweep):
    waits, over = in_it(sweep), in_it(sweep, state="completed")
    told = client.patch(at(sweep), {"max_running": 2, "stop_on_failure": True, "priority": "urgent"}).json()
    assert (told["max_running"], told["stop_on_failure"]) == (2, True)
    assert Job.objects.get(pk=waits.pk).priority > 50 == Job.objects.get(pk=over.pk).priority
    assert client.patch(at(sweep), {}).status_code == 400


def test_a_change_that_is_refused_changes_nothing(client, sweep, project, ann):
    builders.workload(name="other", project=project, owner=ann)
    job = in_it(sweep, queue=builders.queue(max_priority_member=60))

    assert client.patch(at(sweep), {"max_running": 2, "priority": 90}).status_code == 409
    assert client.patch(at(sweep), {"name": "other", "priority": 55}).status_code == 400

    row = Workload.objects.get(pk=sweep.pk)
    assert (row.name, row.max_running, Job.objects.get(pk=job.pk).priority) == ("sweep", None, 50)


def test_one_is_forgotten_once_its_jobs_have_ended_and_they_stay(client, sweep):
    job = in_it(sweep)
    assert client.delete(at(sweep)).status_code == 409
    client.post(at(sweep, "cancel"))
    assert client.delete(at(sweep)).status_code == 204
    assert client.get(f"{V1}/jobs/{job.pk}").json()["workload"] is None
    assert client.get(at(sweep)).status_code == 404


def test_who_may_what(client, sweep, project):
    job = in_it(sweep)
    other = client_of(builders.member(project=project, user=builders.user(username="bob")))
    viewer = client_of(builders.member(project=project, role="viewer"))
    admin = client_of(builders.member(project=project, role="admin"))
    stranger = client_of(builders.user())

    assert [one.get(at(sweep)).status_code for one in (other, viewer, admin, stranger)] == [200, 200, 200, 404]
    for one, status in ((other, 403), (viewer, 403), (stranger, 404), (admin, 200)):
        assert one.post(at(sweep, "cancel")).status_code == status, one
    assert Job.objects.get(pk=job.pk).state == "cancelled"


def test_statistics_tell_of_waits_runs_and_what_was_tried_again(client, sweep):
    came = timezone.now() - timedelta(seconds=100)
    for waited in (10, 20, 60):
        began = came + timedelta(seconds=waited)
        job = in_it(
            sweep, state="completed", created_at=came, started_at=began, retries_used=1, metrics={"loss": waited}
        )
        builders.attempt(job=job, started_at=began, ended_at=began + timedelta(seconds=5), end_reason="completed")
    in_it(sweep, metrics={"loss": "nan"})

    told = client.get(at(sweep, "statistics"), {"metric": "loss", "goal": "min"}).json()

    assert told["waits"] == {"mean": 30.0, "median": 20.0, "longest": 60.0, "jobs": 3}
    assert told["runs"] == {"mean": 5.0, "median": 5.0, "longest": 5.0, "jobs": 3}
    assert (told["retries"], told["attempts"], told["preemptions"]) == (3, 3, 0)
    assert {row["state"]: row["jobs"] for row in told["by_state"]} == {"completed": 3, "pending": 1}
    assert [row["value"] for row in told["best"]] == [10.0, 20.0, 60.0]
    assert client.get(at(sweep, "statistics"), {"goal": "low"}).status_code == 400


def test_a_list_keeps_its_number_of_statements(client, project, ann, django_assert_max_num_queries):
    for _ in range(12):
        in_it(builders.workload(project=project, owner=ann))
    with django_assert_max_num_queries(9):
        assert len(client.get(f"{V1}/workloads").json()["results"]) == 12
