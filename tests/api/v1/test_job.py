"""GET and PATCH /jobs/{id}, cancel and requeue: who may, and what is answered."""

import pytest

from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
ACTIONS = ["get", "patch", "cancel", "requeue"]


def act(client, action, job_id):
    url = f"{V1}/jobs/{job_id}"
    match action:
        case "get":
            return client.get(url)
        case "patch":
            return client.patch(url, {"name": "new"})
        case _:
            return client.post(f"{url}/{action}")


def client_as(role, project):
    match role:
        case "stranger":
            return client_of()
        case "outsider":
            return client_of(builders.user())
        case "staff":
            return client_of(builders.user(staff=True))
        case "admin above":
            return client_of(builders.member(project=project.parent, role="admin"))
    return client_of(builders.member(project=project, role=role))


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("role", "read", "write"),
    [
        ("stranger", 401, 401),
        ("outsider", 404, 404),
        ("viewer", 200, 403),
        ("member", 200, 200),
        ("admin", 200, 200),
        ("admin above", 200, 200),
        ("staff", 200, 200),
    ],
)
def test_rights(role, read, write, action):
    project = builders.project(parent=builders.project())
    job = builders.job(project=project, state="failed" if action == "requeue" else "pending")
    assert act(client_as(role, project), action, job.pk).status_code == (read if action == "get" else write)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("job_id", [999_999, 10**30, "x", "-1", "%00"])
def test_no_such_job(action, job_id):
    response = act(client_of(builders.user(staff=True)), action, job_id)
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


@pytest.fixture
def staff():
    return client_of(builders.user(username="ada", staff=True))


def test_cancelling_a_job_that_waits_ends_it(staff):
    response = staff.post(f"{V1}/jobs/{builders.job().pk}/cancel")
    assert response.json()["state"] == "cancelled"
    assert "ada" in response.json()["message"]


def test_cancelling_a_job_that_is_over_is_a_conflict_that_says_so(staff):
    response = staff.post(f"{V1}/jobs/{builders.job(state='completed').pk}/cancel")
    assert (response.status_code, response.json()["state"]) == (409, "completed")


def test_requeueing_a_failed_job_puts_it_back_in_line(staff):
    job = builders.job(state="failed", exit_code=1, end_reason="exit_code")
    answer = staff.post(f"{V1}/jobs/{job.pk}/requeue").json()
    assert (answer["state"], answer["exit_code"], answer["finished_at"]) == ("pending", None, None)


def test_changing_a_job_that_waits(staff):
    job = builders.job(labels={"a": "1"})
    change = {"priority": "p0", "queue": "live", "labels": {"b": "2"}, "max_runtime_seconds": 60}
    answer = staff.patch(f"{V1}/jobs/{job.pk}", change).json()
    assert {name: answer[name] for name in change} == change | {"priority": 90}


def test_a_job_that_runs_keeps_its_place_but_takes_a_new_name(staff):
    job = builders.running_job()
    assert staff.patch(f"{V1}/jobs/{job.pk}", {"priority": 1}).status_code == 409
    assert staff.patch(f"{V1}/jobs/{job.pk}", {"name": "better"}).json()["name"] == "better"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"priority": 101}, "priority"),
        ({"queue": "nowhere"}, "queue"),
        ({"command": "x"}, "command"),
        ({"project": "other"}, "project"),
        ({"state": "completed"}, "state"),
        ({"deadline": "2001-01-01T00:00:00Z"}, "deadline"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"name": ""}, "name"),
        ({"max_retries": -1}, "max_retries"),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_name(staff, change, field):
    assert field in faults(staff.patch(f"{V1}/jobs/{builders.job().pk}", change))
