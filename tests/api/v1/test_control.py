"""POST /api/v1/jobs/ID/pause, resume, hold and release: what they answer, whom they refuse, and how."""

import pytest

from jobs.models import Job
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann():
    return client_of(builders.user(username="ann", staff=True))


def ask(client, job: Job, verb: str, body=None):
    return client.post(f"{V1}/jobs/{job.pk}/{verb}", body)


def test_a_waiting_job_is_paused_and_resumed(ann):
    job = builders.job()
    assert ask(ann, job, "pause").json()["state"] == "paused"
    assert ask(ann, job, "resume").json()["state"] == "pending"


def test_a_running_job_is_suspended_and_goes_on(ann):
    job = builders.running_job()
    still = ask(ann, job, "pause", {"suspend": True}).json()
    assert (still["state"], still["suspended"], still["desired"]) == ("running", True, "")

    assert [one["id"] for one in ann.get(f"{V1}/jobs?suspended=true").json()["results"]] == [job.pk]
    assert ask(ann, job, "resume").json()["suspended"] is False


def test_a_held_job_says_by_whom_and_why_until_it_is_released(ann):
    job = builders.job()
    held = ask(ann, job, "hold", {"reason": "the data is not there yet"}).json()
    assert (held["state"], held["held"]["by"], held["held"]["reason"]) == (
        "pending",
        "ann",
        "the data is not there yet",
    )
    assert held["held"]["since"]

    assert [one["id"] for one in ann.get(f"{V1}/jobs?held=true").json()["results"]] == [job.pk]
    assert ask(ann, job, "release").json()["held"] is None
    assert ann.get(f"{V1}/jobs?held=true").json()["results"] == []


@pytest.mark.parametrize(
    ("verb", "body", "state"),
    [
        ("pause", None, "completed"),
        ("pause", None, "paused"),
        ("pause", {"suspend": True}, "pending"),
        ("pause", {"suspend": True}, "paused"),
        ("pause", {"suspend": True}, "failed"),
        ("resume", None, "running"),
        ("resume", None, "pending"),
        ("resume", None, "completed"),
        ("cancel", None, "cancelled"),
        ("requeue", None, "pending"),
        ("hold", None, "running"),
        ("hold", None, "paused"),
        ("release", None, "pending"),
        ("release", None, "running"),
    ],
)
def test_what_makes_no_sense_is_a_conflict_that_names_the_state(ann, verb, body, state):
    job = builders.running_job() if state == "running" else builders.job(state=state)

    answer = ask(ann, job, verb, body)
    assert (answer.status_code, answer.json()["state"]) == (409, state)
    assert state in answer.json()["detail"]


@pytest.mark.parametrize("verb", ["pause", "cancel", "requeue"])
def test_asking_again_for_what_is_under_way_changes_nothing(ann, verb):
    job = builders.running_job()
    first, second = ask(ann, job, verb), ask(ann, job, verb)

    assert (first.status_code, second.status_code, first.json()) == (200, 200, second.json())
    assert job.events.count() == 1


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("pause", {"suspend": "perhaps"}, "suspend"),
        ("pause", {"suspended": True}, "suspended"),
        ("hold", {"reason": "x" * 201}, "reason"),
        ("hold", {"reason": ["x"]}, "reason"),
        ("hold", {"why": "x"}, "why"),
    ],
)
def test_a_body_that_cannot_be_is_refused_by_name(ann, verb, body, field):
    job = builders.job()
    assert field in faults(ask(ann, job, verb, body))
    assert Job.objects.get().state == "pending"


@pytest.mark.parametrize("verb", ["pause", "resume", "hold", "release"])
def test_who_may_only_look_may_do_nothing_and_strangers_find_nothing(verb):
    job = builders.job()
    viewer, stranger = builders.member(project=job.project, role="viewer"), builders.user()

    assert ask(client_of(viewer), job, verb).status_code == 403
    assert ask(client_of(stranger), job, verb).status_code == 404
