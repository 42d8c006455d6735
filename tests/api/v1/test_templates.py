"""Templates: written by those who may, in versions; jobs come of them that are judged like any other."""

from typing import Any

import pytest

from api.v1.templates.shapes import FromTemplateIn
from jobs.models import Job, JobTemplate
from jobs.submission.templates import OF_THE_SUBMITTER
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
URL = f"{V1}/templates"
MNIST: dict[str, Any] = {
    "name": "mnist",
    "description": "Handwritten digits.",
    "parameters": {
        "model_type": {"type": "text", "choices": ["mlp", "cnn"], "default": "mlp"},
        "epochs": {"type": "integer", "least": 1, "most": 50, "help": "How often all data is seen."},
        "gpus": {"type": "integer", "default": 0, "least": 0, "most": 8},
    },
    "job": {
        "command": ["python", "train.py", "--model={model_type}", "--epochs", "{epochs}", "{unknown}"],
        "resources": {"gpus": "{gpus}", "cpus": 2},
        "labels": {"kind": "example"},
    },
    "estimated_runtime": {"base": 60, "each": {"epochs": 30}},
}


@pytest.fixture
def vision():
    return builders.project(slug="vision")


@pytest.fixture
def admin(vision):
    return client_of(builders.member(project=vision, role="admin"))


@pytest.fixture
def member(vision):
    return client_of(builders.member(project=vision, role="member"))


@pytest.fixture
def mnist(admin):
    answer = admin.post(URL, {**MNIST, "project": "vision"}, format="json")
    assert answer.status_code == 201, answer.json()
    return answer.json()


def run(client, **said):
    return client.post(f"{URL}/mnist/jobs", said, format="json")


def test_a_job_comes_of_it_with_what_was_said_and_the_defaults(mnist, member):
    answer = run(member, parameters={"epochs": 3, "gpus": 2}, labels={"sweep": "7"})

    assert answer.status_code == 201, answer.json()
    job = Job.objects.get()
    assert job.command == ["python", "train.py", "--model=mlp", "--epochs", "3", "{unknown}"]
    assert (job.project.slug, job.name, job.gpus, job.cpus) == ("vision", "mnist", 2, 2)
    assert job.labels == {"kind": "example", "sweep": "7", "template": "mnist-1"}
    assert job.estimated_runtime_seconds == 150


def test_a_change_is_the_next_version_and_the_old_one_can_still_be_asked_for(mnist, admin, member):
    shorter = {**MNIST, "project": "vision", "job": {**MNIST["job"], "command": ["echo", "{model_type}", "{epochs}"]}}
    assert admin.post(URL, shorter, format="json").json()["version"] == 2
    assert run(member, parameters={"epochs": 1}).json()["command"] == ["echo", "mlp", "1"]
    assert run(member, parameters={"epochs": 1}, version=1).json()["labels"]["template"] == "mnist-1"
    assert [row["version"] for row in member.get(URL).json()["results"]] == [2]
    assert run(member, parameters={"epochs": 1}, version=3).status_code == 404


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({}, "parameters.epochs", "Has to be said: a whole number"),
        ({"parameters": {"epochs": 51}}, "parameters.epochs", "at most 50"),
        ({"parameters": {"epochs": "3"}}, "parameters.epochs", "a whole number"),
        ({"parameters": {"epochs": True}}, "parameters.epochs", "a whole number"),
        ({"parameters": {"epochs": 1, "model_type": "rnn"}}, "parameters.model_type", "one of mlp, cnn"),
        ({"parameters": {"epochs": 1, "lr": 0.1}}, "parameters.lr", "no such parameter"),
        ({"parameters": ["epochs"]}, "parameters", "an object"),
        ({"parameters": {"epochs": 1}, "command": ["rm"]}, "command", "The template says what it is"),
        ({"parameters": {"epochs": 1}, "priority": "soon"}, "priority", ""),
        ({"version": "new", "parameters": {"epochs": 1}}, "version", ""),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_submits_nothing(mnist, member, said, field, words):
    answer = run(member, **said)
    assert words in faults(answer)[field]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "MNIST"}, "name"),
        ({"parameters": {"epochs": {"type": "int"}}}, "parameters.epochs.type"),
        ({"parameters": {"2nd": {}}}, "parameters.2nd"),
        ({"parameters": {**MNIST["parameters"], "epochs": {"type": "integer", "least": 5, "most": 1}}}, "parameters.epochs.most"),
        ({"parameters": {**MNIST["parameters"], "lr": {"type": "number"}}}, "parameters.lr"),  # stands nowhere
        ({"parameters": {**MNIST["parameters"], "epochs": {"type": "integer", "default": "x"}}}, "parameters.epochs.default"),
        ({"job": {**MNIST["job"], "comand": ["true"]}}, "job.comand"),
        ({"job": {"resources": {"gpus": "{gpus}"}, "env": {"A": "{model_type}{epochs}"}}}, "job.command"),
        ({"estimated_runtime": {"each": {"model_type": 3}}}, "estimated_runtime.each.model_type"),
        ({"estimated_runtime": {"base": -1}}, "estimated_runtime.base"),
    ],
)  # fmt: skip
def test_a_template_of_which_no_job_can_come_is_refused(admin, change, field):
    assert field in faults(admin.post(URL, {**MNIST, "project": "vision", **change}, format="json"))
    assert not JobTemplate.objects.exists()


def test_who_is_no_admin_writes_none_and_who_is_elsewhere_sees_none(mnist, member, admin):
    assert member.post(URL, {**MNIST, "project": "vision"}, format="json").status_code == 403
    assert member.delete(f"{URL}/mnist").status_code == 403
    assert admin.post(URL, {**MNIST, "name": "own"}, format="json").status_code == 403  # everybody's
    stranger = client_of(builders.member(project=builders.project(slug="other"), role="admin"))
    assert stranger.get(f"{URL}/mnist").status_code == 404
    assert stranger.get(URL).json()["results"] == []
    assert run(stranger, parameters={"epochs": 1}, project="other").status_code == 404
    assert "taken" in str(stranger.post(URL, {**MNIST, "project": "other"}, format="json").json())
    viewer = client_of(builders.member(project=mnist_project(), role="viewer"))
    assert viewer.get(f"{URL}/mnist").status_code == 200
    assert run(viewer, parameters={"epochs": 1}).status_code in {400, 403}
    assert admin.delete(f"{URL}/mnist").status_code == 204


def mnist_project():
    return JobTemplate.objects.get().project


def test_everybodys_template_takes_the_project_of_who_submits(member):
    staff = client_of(builders.user(staff=True))
    assert staff.post(URL, MNIST, format="json").status_code == 201
    assert "project" in faults(run(member, parameters={"epochs": 1}))
    assert run(member, parameters={"epochs": 1}, project="vision").json()["project"] == "vision"


def test_a_quote_says_what_it_would_cost_and_writes_nothing(mnist, member):
    said = {"parameters": {"epochs": 2}, "count": 3}
    answer = member.post(f"{URL}/mnist/quote", said, format="json")
    assert answer.status_code == 200, answer.json()
    assert answer.json()["runs"]["runs"] == 3
    assert not Job.objects.exists()


def test_a_submission_key_brings_one_job(mnist, member):
    said = {"parameters": {"epochs": 1}, "submission_key": "k"}
    assert [run(member, **said).status_code for _ in range(2)] == [201, 200]
    assert Job.objects.count() == 1


def test_what_is_described_of_a_submission_is_what_may_be_said():
    assert FromTemplateIn().fields.keys() - {"parameters", "version"} == OF_THE_SUBMITTER
