"""The values of a job's environment are for its owner and administrators of its project, at every door."""

import pytest

from tests import builders
from tests.admin_pages import page, staff
from tests.rest import V1, client_of, rows

pytestmark = pytest.mark.django_db
SECRET = "hunter2"


@pytest.fixture
def job():
    team = builders.project(parent=builders.project())
    return builders.job(project=team, owner=builders.member(project=team), env={"LOGIN": SECRET}, state="running")


def client_as(who, job):
    match who:
        case "owner":
            return client_of(job.owner)
        case "staff":
            return client_of(builders.user(staff=True))
        case "admin above":
            return client_of(builders.member(project=job.project.parent, role="admin"))
    return client_of(builders.member(project=job.project, role=who))


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("owner", SECRET), ("admin", SECRET), ("admin above", SECRET), ("staff", SECRET),
        ("member", None), ("viewer", None),
    ],
)  # fmt: skip
def test_who_sees_the_values(job, who, seen):
    client = client_as(who, job)
    assert client.get(f"{V1}/jobs/{job.pk}").json()["env"] == {"LOGIN": seen}
    assert rows(client.get(f"{V1}/jobs"))[0]["env"] == {"LOGIN": seen}


@pytest.mark.parametrize("path", ["", "/events", "/attempts", "/explain", "/logs", "/metrics"])
def test_nothing_that_is_told_of_a_job_holds_a_value(job, path):
    answer = client_as("member", job).get(f"{V1}/jobs/{job.pk}{path}")
    assert answer.status_code == 200
    assert SECRET not in answer.content.decode()


@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_a_member_who_may_control_a_job_is_not_shown_the_values_for_it(job, verb):
    answer = client_as("member", job).post(f"{V1}/jobs/{job.pk}/{verb}")
    assert (answer.status_code, answer.json()["env"]) == (200, {"LOGIN": None})
    changed = client_as("member", job).patch(f"{V1}/jobs/{job.pk}", {"name": "new"})
    assert changed.json()["env"] == {"LOGIN": None}


def test_the_submission_key_of_somebody_else_does_not_bring_the_values(job):
    type(job).objects.filter(pk=job.pk).update(submission_key="k")
    body = {"project": job.project.slug, "command": ["true"], "submission_key": "k"}
    answer = client_as("member", job).post(f"{V1}/jobs", body)
    assert (answer.status_code, answer.json()["env"]) == (200, {"LOGIN": None})


def test_the_admin_shows_them_to_the_same_people_and_secrets_to_none(job):
    type(job).objects.filter(pk=job.pk).update(env={"LOGIN": SECRET, "API_TOKEN": "abc"})
    address = f"/admin/jobs/job/{job.pk}/change/"
    shown = page(staff("view_job"), address)
    assert f"LOGIN={SECRET}" in shown
    assert "abc" not in shown
    assert "API_TOKEN=" in shown


def test_who_does_not_see_them_asks_the_database_no_more_often_for_many_jobs(job, django_assert_max_num_queries):
    client = client_as("viewer", job)
    for _ in range(5):
        builders.job(project=job.project, owner=job.owner, env={"LOGIN": SECRET})
    with django_assert_max_num_queries(8):
        assert all(row["env"] == {"LOGIN": None} for row in rows(client.get(f"{V1}/jobs")))
