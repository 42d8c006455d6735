"""Outputs of other jobs that a job wants to find: whom it may name, what it waits for, and what is refused by its field."""

import pytest
from django.utils import timezone

from jobs.models import Job, JobDependency, KeptOutputs
from tests import builders
from tests.api.v1.test_outputs import Agent
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def code_folder(settings, tmp_path):
    options = {"location": str(tmp_path / "code")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}


@pytest.fixture
def project():
    return builders.project(slug="vision")


@pytest.fixture
def member(project):
    return client_of(builders.member(project=project))


@pytest.fixture
def model(project):
    """A job that is over and has left a model."""
    job = builders.job(project=project, state="queued")
    agent = Agent(job)
    agent.leave("deep/model.pt")
    agent.complete()
    Job.objects.filter(pk=job.pk).update(state="completed", finished_at=timezone.now())
    return job


def submit(client, *inputs, **more):
    body = {"project": "vision", "command": ["true"], "inputs": inputs, **more}
    return client.post(f"{V1}/jobs", body, format="json")


def test_a_job_says_what_it_begins_with_and_needs_nobody_who_is_over(member, model):
    wanted = [
        {"job": model.pk, "path": "deep/model.pt"},
        {"job": model.pk},
        {"job": model.pk, "path": "deep", "to": "a/b"},
    ]
    answer = submit(member, *wanted)
    assert answer.status_code == 201, answer.json()
    assert answer.json()["inputs"] == [
        {"job": model.pk, "path": "deep/model.pt", "to": "model.pt"},
        {"job": model.pk, "path": "", "to": str(model.pk)},
        {"job": model.pk, "path": "deep", "to": "a/b"},
    ]
    assert answer.json()["depends_on"] == []


def test_who_is_not_over_is_waited_for(member, project):
    running = builders.job(project=project, state="running")
    answer = submit(member, {"job": running.pk, "path": "model.pt"})
    assert answer.json()["dependencies"] == [{"job": running.pk, "after": "ok", "state": "running"}]
    own = submit(member, {"job": running.pk}, depends_on=[{"job": running.pk, "after": "any"}]).json()
    assert own["dependencies"][0]["after"] == "any"
    assert JobDependency.objects.count() == 2


def test_another_projects_job_is_none(member, model):
    stranger = client_of(builders.member(project=builders.project(slug="other")))
    answer = submit(stranger, {"job": model.pk}, project="other")
    assert faults(answer)["inputs[0].job"] == f"There is no job {model.pk} in your projects."
    assert not Job.objects.filter(project__slug="other").exists()


def test_what_is_not_there_is_refused(member, model):
    assert (
        "nothing called 'modle.pt'" in faults(submit(member, {"job": model.pk, "path": "modle.pt"}))["inputs[0].path"]
    )
    KeptOutputs.objects.update(state="forgotten")
    assert "is forgotten" in faults(submit(member, {"job": model.pk}))["inputs[0].job"]
    nothing = builders.job(project=model.project, state="completed")
    assert "left nothing" in faults(submit(member, {"job": nothing.pk}))["inputs[0].job"]


def test_two_in_one_place_are_refused(member, model):
    answer = submit(
        member, {"job": model.pk, "path": "deep/model.pt"}, {"job": model.pk, "path": "deep", "to": "model.pt/x"}
    )
    assert "inputs[0]" in faults(answer)["inputs[1].to"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"path": "../x"}, "inputs[0].path"),
        ({"path": "/etc"}, "inputs[0].path"),
        ({"to": "../x"}, "inputs[0].to"),
        ({"job": "x"}, "inputs[0].job"),
        ({"job": 0}, "inputs[0].job"),
        ({"from": "x"}, "inputs[0].from"),
        ({"path": 3}, "inputs[0].path"),
    ],
)
def test_nonsense_is_refused_by_its_field(member, model, wanted, field):
    assert field in faults(submit(member, {"job": model.pk, **wanted}))


def test_clusters_bring_nothing(member, model):
    answer = submit(member, {"job": model.pk}, executor="any")
    assert "Clusters" in faults(answer)["inputs"]
