"""Nothing that happens after a commit turns what was accepted into an error."""

import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from rest_framework.test import APIClient

from jobs.control import actions
from jobs.messages import publishing, remote_control
from jobs.messages.after_commit import after_commit
from jobs.models import Job
from quotas.models import Project
from scheduler_site.celery import app
from scheduling.lifecycle import JobState
from tests import builders
from tests.architecture import source
from tests.rest import V1, client_of

SURPRISES = [
    AttributeError("'NoneType' object has no attribute 'hostname'"),
    KeyError(3),
    RuntimeError("no new thread"),
]
VERBS = ["cancel", "requeue", "pause", "resume", "hold", "release"]
PLACES = {"requeue": JobState.PAUSED, "resume": JobState.PAUSED}


class NoPool:
    """A pool of producers that fails as no broker's error does."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def acquire(self, **_: Any) -> None:
        raise self.error


@pytest.fixture
def project(transactional_db: None) -> Project:
    return builders.project(slug="vision")


@pytest.fixture
def member(project: Project) -> User:
    return builders.member(project=project)


@pytest.fixture
def client(member: User) -> APIClient:
    return client_of(member)


@pytest.fixture(params=SURPRISES, ids=lambda error: type(error).__name__)
def broken(request, monkeypatch) -> None:
    """Whatever is published fails in a way of its own, and no thread can be had."""
    monkeypatch.setattr(publishing, "circuit", publishing.CircuitBreaker())
    monkeypatch.setattr(remote_control, "caller", remote_control.Notifier())
    monkeypatch.setattr(type(app), "producer_pool", NoPool(request.param))
    monkeypatch.setattr(threading.Thread, "start", lambda _: NoPool(request.param).acquire())


def wanted(name: str) -> dict[str, Any]:
    return {"name": name, "project": "vision", "command": ["true"]}


def test_a_job_that_was_taken_is_answered_with_201_whatever_publishing_raises(client: APIClient, broken: None):
    one = client.post(f"{V1}/jobs", wanted("one"))
    several = client.post(f"{V1}/jobs/batch", {"jobs": [wanted("two"), wanted("three")]})

    assert (one.status_code, several.status_code) == (201, 201)
    assert Job.objects.count() == 3


@pytest.mark.parametrize("state", [JobState.PENDING, JobState.RUNNING])
def test_a_wish_that_was_granted_is_no_error_whatever_the_call_to_the_node_raises(
    client: APIClient, project: Project, broken: None, state: JobState
):
    job = builders.running_job(project=project) if state == JobState.RUNNING else builders.job(project=project)

    assert client.post(f"{V1}/jobs/{job.pk}/cancel").status_code == 200


def test_what_comes_after_one_that_failed_is_done_too(transactional_db: None):
    done: list[str] = []
    with transaction.atomic():
        after_commit(lambda: 1 / 0)
        after_commit(lambda: done.append("second"))

    assert done == ["second"]


@pytest.mark.parametrize("verb", VERBS)
def test_an_answer_is_read_before_the_commit(client: APIClient, project: Project, member: User, verb: str):
    """A database that goes away just after it must not make an error of what it has committed."""
    job = builders.job(project=project, owner=member, state=PLACES.get(verb, JobState.PENDING))
    if verb == "release":
        actions.hold(job_id=job.pk, actor="ann", reason="")
    inside: list[bool] = []

    def note(execute: Any, *arguments: Any) -> Any:
        inside.append(connection.in_atomic_block)
        return execute(*arguments)

    with connection.execute_wrapper(note):
        response = client.post(f"{V1}/jobs/{job.pk}/{verb}")

    assert response.status_code == 200, response.content
    assert all(inside)


def test_everything_that_follows_a_commit_is_guarded():
    for file in source.files():
        if file.name != "after_commit.py":
            assert not re.search(r"\bon_commit\(", file.read_text(encoding="utf-8")), (
                f"{file}: use jobs.messages.after_commit"
            )
