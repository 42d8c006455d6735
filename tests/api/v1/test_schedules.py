"""Schedules over REST: who may do what, and what is refused."""

from typing import Any

import pytest

from jobs.models import Job, JobSchedule
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
URL = f"{V1}/schedules"
JOB: dict[str, Any] = {
    "project": "vision",
    "command": ["python", "report.py"],
    "env": {"TOKEN": "secret"},
    "resources": {"cpus": 2},
}
NIGHTLY: dict[str, Any] = {
    "name": "nightly",
    "cron": "30 2 * * MON-FRI",
    "time_zone": "Europe/Berlin",
    "job": JOB,
}


@pytest.fixture
def vision():
    builders.queue()
    return builders.project(slug="vision")


@pytest.fixture
def owner(vision):
    return client_of(builders.member(project=vision, role="member"))


@pytest.fixture
def made(owner):
    answer = owner.post(URL, NIGHTLY, format="json")
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_a_schedule_says_when_it_comes_next(made, owner):
    assert len(made["upcoming"]) == 3
    assert made["job"] == JOB
    assert owner.get(URL).json()["results"] == [made]
    assert owner.get(f"{URL}/{made['id']}").json() == made


@pytest.mark.parametrize(
    ("change", "field"),
    [({"cron": "61 * * * *"}, "cron"), ({"time_zone": "Mars"}, "time_zone"), ({"name": "No Name"}, "name"), ({"overlap": "x"}, "overlap"),
     ({"missed": "x"}, "missed"), ({"job": {"project": "vision"}}, "job.command"), ({"ends_at": "soon"}, "ends_at"), ({"colour": 1}, "colour"),
     ({"job": {**JOB, "depends_on": [1]}}, "job.depends_on"), ({"job": {**JOB, "submission_key": "k"}}, "job.submission_key"),
     ({"job": {**JOB, "queue": "nowhere"}}, "job.queue"), ({"job": []}, "job")],
)  # fmt: skip
def test_what_could_never_be_submitted_is_refused_by_its_field(owner, change, field):
    answer = owner.post(URL, {**NIGHTLY, **change}, format="json")

    assert answer.status_code == 400
    assert field in faults(answer)
    assert not JobSchedule.objects.exists()


def test_a_name_is_there_once_in_a_project(made, owner):
    assert "name" in faults(owner.post(URL, NIGHTLY, format="json"))


def test_others_see_it_without_its_secrets_and_may_not_touch_it(made, vision):
    member = client_of(builders.member(project=vision, role="member"))
    one = f"{URL}/{made['id']}"

    assert member.get(one).json()["job"]["env"] == {"TOKEN": None}
    assert member.patch(one, {"paused": True}, format="json").status_code == 403
    assert member.delete(one).status_code == 403
    assert member.post(f"{one}/run").status_code == 403


def test_an_administrator_may_pause_and_forget_it_but_not_say_what_runs_in_its_owners_name(made, vision):
    admin = client_of(builders.member(project=vision, role="admin"))
    one = f"{URL}/{made['id']}"

    assert admin.patch(one, {"paused": True}, format="json").json()["upcoming"] == []
    assert admin.patch(one, {"job": JOB}, format="json").status_code == 403
    assert admin.patch(one, {"cron": "* * * * *"}, format="json").status_code == 403
    assert admin.post(f"{one}/run").status_code == 403
    assert admin.delete(one).status_code == 204


def test_strangers_do_not_see_it_and_viewers_make_none(made, vision):
    stranger = client_of(builders.user())
    viewer = client_of(builders.member(project=vision, role="viewer"))

    assert stranger.get(URL).json()["results"] == []
    assert stranger.get(f"{URL}/{made['id']}").status_code == 404
    assert viewer.post(URL, {**NIGHTLY, "name": "mine"}, format="json").status_code == 403


def test_its_owner_runs_it_now_and_changes_it(made, owner):
    one = f"{URL}/{made['id']}"

    assert owner.post(f"{one}/run").json()["labels"] == {"schedule": "nightly"}
    changed = owner.patch(one, {"job": {**JOB, "command": ["echo", "b"]}}, format="json")

    assert changed.json()["job"]["command"] == ["echo", "b"]
    assert owner.post(f"{one}/run").json()["command"] == ["echo", "b"]
    assert Job.objects.count() == 2


def test_it_stays_in_its_project(made, owner):
    answer = owner.patch(f"{URL}/{made['id']}", {"job": {**JOB, "project": "default"}}, format="json")

    assert "job.project" in faults(answer)


def test_a_token_with_caps_makes_none(vision):
    user = builders.member(project=vision, role="member")
    made = client_of(user).post(f"{V1}/auth/tokens/own", {"max_gpus": 1})
    capped = client_of()
    capped.credentials(HTTP_AUTHORIZATION=f"Bearer {made.json()['token']}")

    assert capped.post(URL, NIGHTLY, format="json").status_code == 403
