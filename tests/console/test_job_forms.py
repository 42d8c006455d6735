"""The forms by which a job is edited, or cloned with changes, in the admin: filled in and sent as a browser does."""

from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import CodeSnapshot, Job, JobEvent
from quotas.models import Quota
from tests import builders
from tests.admin_pages import logged_in, operator, page, staff, told

pytestmark = pytest.mark.django_db


class Filled(HTMLParser):
    """What a browser would send of the form on a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._area = self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        name = said.get("name") or ""
        if tag == "input" and name and said.get("type") not in ("submit", "checkbox"):
            self.values[name] = said.get("value") or ""
        elif tag == "textarea":
            self._area = name
            self.values[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in said:
            self.values[self._select] = said.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.values[self._area] = self.values[self._area].removeprefix("\n")
            self._area = ""
        if tag == "select":
            self._select = ""


@pytest.fixture
def project():
    builders.node(cpus=8, gpus=4)
    return builders.project(slug="vision")


@pytest.fixture
def job(project):
    owner = builders.member(project=project, user=builders.user(username="ada"))
    env = {"LR": "0.1", "TOKEN": "s3cret"}
    return builders.job(project=project, owner=owner, command=["sh", "-c", "echo 'a'\necho b"], env=env, memory_mb=2560)


def at(job: Job, verb: str) -> str:
    return f"/admin/jobs/job/{job.pk}/{verb}/"


def send(client: Client, job: Job, verb: str, **changes: Any) -> Any:
    sent = Filled(page(client, at(job, verb))).values
    assert changes.keys() <= sent.keys() | {"without_code"}
    windows = {name: value.replace("\n", "\r\n") for name, value in sent.items()}
    return client.post(at(job, verb), windows | changes)


def faults(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200, answer
    return dict(answer.context["form"].errors)


def test_a_job_that_waits_is_edited_by_the_fields_that_were_changed(job):
    client = operator("olga")
    assert f'href="{at(job, "edit")}"' in page(client, at(job, "change"))

    answer = send(client, job, "edit", gpus="2", env_set="LR=0.2\nSEED=7", env_unset="TOKEN", reason="Two fit.")

    assert told(answer) == [f"Job {job.pk} was changed."]
    after = Job.objects.get()
    assert (after.gpus, after.env, after.command) == (2, {"LR": "0.2", "SEED": "7"}, job.command)
    event = JobEvent.objects.get(kind="changed")
    assert (event.actor, event.message, event.data["to"].keys()) == ("olga", "Two fit.", {"gpus", "env"})


def test_nothing_changed_is_no_event_and_no_value_of_a_variable_is_in_the_form(job):
    client = operator()
    assert "s3cret" not in page(client, at(job, "edit"))
    assert told(send(client, job, "edit")) == [f"Nothing of job {job.pk} was changed."]
    assert not JobEvent.objects.exists()


def test_what_somebody_else_changed_meanwhile_stays(job):
    client = operator()
    sent = Filled(page(client, at(job, "edit"))).values
    Job.objects.filter(pk=job.pk).update(cpus=4)

    client.post(at(job, "edit"), sent | {"gpus": "1"})

    assert (Job.objects.get().cpus, Job.objects.get().gpus) == (4, 1)


def test_all_that_the_form_has_arrives_as_it_was_written(job):
    changes = {
        "name": "b", "command": "python 'my train.py'", "working_dir": "/srv", "cpus": "3", "memory_gb": "1.5",
        "max_runtime_seconds": "60", "estimated_runtime_seconds": "30", "max_retries": "2", "node_labels": "",
        "begin_at_0": "2126-01-01", "begin_at_1": "08:00",
    }  # fmt: skip
    refused = send(operator(), job, "edit", **changes)
    assert faults(refused).keys() == {"begin_at"}
    send(operator("otto"), job, "edit", **changes | {"begin_at_0": "", "begin_at_1": ""})
    after = Job.objects.get()
    assert (after.command, after.working_dir, after.memory_mb) == (["python", "my train.py"], "/srv", 1536)
    assert (after.cpus, after.max_runtime_seconds, after.estimated_runtime_seconds, after.max_retries) == (3, 60, 30, 2)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"gpus": "3"}, "gpus", "quota"),
        ({"gpus": "-1"}, "gpus", "greater than"),
        ({"gpus": "many"}, "gpus", "whole number"),
        ({"cpus": "999"}, "cpus", "node"),
        ({"command": ""}, "command", "program"),
        ({"command": "'a"}, "command", "No closing quotation"),
        ({"env_set": "LR"}, "env_set", "has no '='"),
        ({"env_set": "=1"}, "env_set", "may not be empty"),
        ({"node_labels": "zone"}, "node_labels", "has no '='"),
        ({"executor": "nobody"}, "executor", "no executor"),
        ({"reason": "x" * 201, "gpus": "1"}, "reason", "200"),
        ({"max_runtime_seconds": "0"}, "max_runtime_seconds", "greater than"),
    ],
)
def test_a_refusal_is_said_at_its_field_and_nothing_is_changed(job, project, changes, field, words):
    Quota.objects.create(project=project, gpus=2)
    before = Job.objects.filter(pk=job.pk).values().get()

    for verb in ("edit", "clone"):
        told_by_field = faults(send(operator(verb), job, verb, **changes))
        assert list(told_by_field) == [field]
        assert words in told_by_field[field][0]
    assert Job.objects.filter(pk=job.pk).values().get() == before
    assert Job.objects.count() == 1


def test_one_that_was_placed_meanwhile_is_said_above_the_form(job):
    client = operator()
    sent = Filled(page(client, at(job, "edit"))).values
    Job.objects.filter(pk=job.pk).update(state="queued")

    said = faults(client.post(at(job, "edit"), sent | {"gpus": "1"}))

    assert said == {"__all__": [f"Job {job.pk} is queued: gpus can only be changed while it waits."]}
    assert "Edit what it asks for" not in page(client, at(job, "change"))


def test_a_clone_is_the_operators_with_what_he_changed(project):
    others = builders.job(project=project, owner=builders.member(project=project), cpus=2, labels={"a": "b"})
    client = operator("olga")
    assert f'href="{at(others, "clone")}"' in page(client, at(others, "change"))

    answer = send(client, others, "clone", gpus="1", priority="urgent", labels="study=7\na=c", reason="Again.")

    new = Job.objects.exclude(pk=others.pk).get()
    assert told(answer) == [f"Job {new.pk} was submitted, a clone of job {others.pk}."]
    assert answer.headers["Location"] == at(new, "change")
    assert (new.owner.username, new.gpus, new.cpus, new.labels) == ("olga", 1, 2, {"study": "7", "a": "c"})
    assert new.priority > others.priority
    assert JobEvent.objects.get(job=new).message == f"A clone of job {others.pk}. Again."


def test_a_clone_in_another_project_leaves_the_code_of_its_own_behind_or_is_told_to(project):
    code = CodeSnapshot.objects.create(project=project, digest="a" * 64, files=0, size=0, complete_at=timezone.now())
    job = builders.job(project=project, snapshot=code)
    builders.project(slug="sun")

    refusal = faults(send(operator(), job, "clone", project="sun"))
    assert list(refusal) == ["without_code"]
    send(operator("otto"), job, "clone", project="sun", without_code="on")

    new = Job.objects.exclude(pk=job.pk).get()
    assert (new.project.slug, new.snapshot) == ("sun", None)


def test_whose_name_it_runs_in_is_respected(job):
    other = staff("view_job", "change_job")
    Job.objects.update(secrets=["KEY"])
    said = faults(send(other, job, "edit", command="env"))
    assert "only ada may change what it runs" in said["__all__"][0]
    assert staff("view_job").get(at(job, "edit")).status_code == 403
    assert staff("view_job").post(at(job, "clone"), {}).status_code == 403
    assert logged_in(builders.user()).get(at(job, "edit")).status_code == 302
