"""The pages about templates of jobs."""

import pytest

from jobs.models import Job, JobTemplate
from tests import builders
from tests.admin_pages import logged_in, operator, page, staff, told

pytestmark = pytest.mark.django_db
LIST = "/admin/jobs/jobtemplate/"
PARAMETERS = {
    "epochs": {"type": "integer", "default": 2, "least": 1, "most": 50, "help": "Rounds over the data"},
    "model": {"choices": ["small", "large"], "default": "small"},
    "seed": {"type": "integer"},
}
JOB = {"command": ["train", "--epochs", "{epochs}", "--model", "{model}", "--seed", "{seed}"], "resources": {"cpus": 1}}


@pytest.fixture
def mnist():
    project = builders.project(slug="vision")
    made = {"project": project, "name": "mnist", "parameters": PARAMETERS, "created_by": "ann"}
    JobTemplate.objects.create(version=1, job={"command": ["old"]}, **{**made, "parameters": {}})
    return JobTemplate.objects.create(version=2, job=JOB, description="Digits.", estimated_runtime={"base": 30}, **made)


def at(template, verb="change"):
    return f"{LIST}{template.pk}/{verb}/"


def answers(**said):
    return {"parameter_epochs": "3", "parameter_model": "large", "parameter_seed": "7"} | said


def test_the_list_has_each_in_its_latest_version(mnist):
    shown = page(operator(), LIST)
    assert "1 job template" in shown
    assert "seed, epochs, model" in shown


def test_a_page_shows_parameters_the_job_and_the_versions(mnist):
    shown = page(operator(), at(mnist))
    for words in (
        "Rounds over the data. At least 1, at most 50",
        "has to be said",
        "small, large",
        "Digits.",
        "{epochs}",
    ):
        assert words in shown
    first = JobTemplate.objects.get(version=1)
    assert f'href="{at(first)}"' in shown
    assert "not the latest" in page(operator("another"), at(first))


def test_the_form_submits_a_job_as_its_owner_and_the_page_names_it(mnist):
    client = operator()
    assert "parameter_epochs" in page(client, at(mnist, "submit"))
    answer = client.post(at(mnist, "submit"), answers(name="seven", priority="80"))
    job = Job.objects.get()
    assert told(answer) == [f"Job {job.pk} was submitted."]
    assert answer.headers["Location"] == f"/admin/jobs/job/{job.pk}/change/"
    assert job.command == ["train", "--epochs", "3", "--model", "large", "--seed", "7"]
    assert (job.name, job.priority, job.owner.username, job.labels["template"]) == ("seven", 80, "operator", "mnist-2")
    assert "seven" in page(client, at(mnist))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"parameter_epochs": "99"}, "Must be at most 50."),
        ({"parameter_seed": ""}, "This field is required."),
        ({"parameter_model": "huge"}, "Select a valid choice."),
        ({"priority": "soon"}, "priority"),
        ({"queue": "nowhere"}, "nowhere"),
    ],
)
def test_what_is_wrong_is_said_beside_it_and_nothing_is_submitted(mnist, said, words):
    answer = operator().post(at(mnist, "submit"), answers(**said))
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert 'class="errorlist' in answer.content.decode()
    assert not Job.objects.exists()


def test_who_may_not_submit_in_the_project_or_not_look_is_refused(mnist):
    looker = builders.user(staff=True)
    assert logged_in(looker).get(at(mnist, "submit")).status_code == 403
    assert staff("view_job").get(LIST).status_code == 403
    allowed = staff("view_jobtemplate")
    assert allowed.get(LIST).status_code == 200
    assert allowed.post(at(mnist), {"name": "other"}).status_code == 403


def test_one_that_is_everybodys_asks_for_the_project(mnist):
    JobTemplate.objects.update(project=None)
    mnist.refresh_from_db()
    client = operator()
    assert client.post(at(mnist, "submit"), answers()).status_code == 200
    client.post(at(mnist, "submit"), answers(project="vision"))
    assert Job.objects.get().project.slug == "vision"
