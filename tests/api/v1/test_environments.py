"""Environments at the door: what is taken, and what is refused by its field, in words that say what would be right."""

import pytest
from django.utils import timezone

from jobs.code import snapshots
from jobs.models import Job
from jobs.planning import cycle
from tests import builders
from tests.rest import V1, client_of, faults
from workers.models import Cluster
from workers.runtime.code_files import CodeFile

pytestmark = pytest.mark.django_db
ABLE = {"environments": "yes", "environment-builds": "yes", "python-3.12": "yes"}


@pytest.fixture
def project():
    return builders.project(slug="vision")


@pytest.fixture
def user(project):
    return builders.member(project=project)


@pytest.fixture
def code(user, project):
    files = [CodeFile(name) for name in ("requirements.txt", "app/uv.lock", "app/pyproject.toml")]
    made, *_ = snapshots.create(project=project, user=user, files=files, origin=snapshots.GitOrigin())
    return made.pk


@pytest.fixture
def submit(user):
    client = client_of(user)

    def submitting(environment, **more):
        body = {"project": "vision", "command": ["true"], "environment": environment, **more}
        return client.post(f"{V1}/jobs", body)

    return submitting


def test_a_job_keeps_its_environment_and_asks_for_nodes_that_have_such(submit, code):
    builders.node(labels=ABLE)
    asked = {"lock": "app/uv.lock", "python": "3.12"}
    answer = submit(asked, snapshot=code)
    assert (answer.status_code, answer.json()["environment"]) == (201, asked)
    assert answer.json()["resources"]["node_labels"] == {}
    cycle.run_cycle()
    assert Job.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("environment", "field", "words"),
    [
        ({"venv": "/a", "image": "b"}, "environment", "Name exactly one of venv, conda"),
        ({"python": "3.12"}, "environment", "there is only python"),
        ({"venv": "relative"}, "environment.venv", "from the root"),
        ({"venv": "/a", "python": "3.12"}, "environment.python", "has its own Python"),
        (
            {"requirements": "requirements.txt"},
            "environment.requirements",
            "brings none: name a snapshot (CLI: --sync)",
        ),
        ({"image": "--privileged"}, "environment.image", "no dash in front"),
        ({"image": "a b"}, "environment.image", "no spaces"),
        ({"docker": "x"}, "environment.docker", ""),
        ({"venv": ""}, "environment.venv", ""),
        ("uv.lock", "environment", "Must be an object"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_field(submit, environment, field, words):
    assert words in faults(submit(environment))[field]
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"requirements": "../requirements.txt"}, "inside the job's code"),
        ({"requirements": "/etc/passwd"}, "inside the job's code"),
        ({"requirements": "other.txt"}, "There is no file other.txt in snapshot"),
        ({"lock": "requirements.txt"}, "Must be called uv.lock"),
        ({"project": "app/uv.lock"}, "Must be called pyproject.toml"),
    ],
)
def test_a_file_has_to_be_in_the_code(submit, code, environment, words):
    assert words in faults(submit(environment, snapshot=code))[f"environment.{next(iter(environment))}"]


def test_a_python_that_is_no_version_is_refused(submit, code):
    asked = {"requirements": "requirements.txt", "python": "latest"}
    assert "such as" in faults(submit(asked, snapshot=code))["environment.python"]


def test_what_no_node_has_is_said_in_words(submit, code):
    builders.node(labels=ABLE)
    refused = faults(submit({"image": "python:3.12"}))["environment"]
    assert "Its environment needs a node with a container runtime (label containers=yes); no node has that." in refused
    refused = faults(submit({"requirements": "requirements.txt", "python": "3.9"}, snapshot=code))["environment"]
    assert "Python 3.9 (label python-3.9=yes)" in refused


def test_an_agent_before_environments_gets_no_job_with_one(submit):
    builders.node(labels={})
    assert "an agent that knows environments" in faults(submit({"venv": "/opt/torch"}))["environment"]


def test_an_image_is_one_for_agents_and_for_clusters(submit):
    builders.node(labels={**ABLE, "containers": "yes"})
    assert submit({}, image="python:3.12").json()["environment"] == {"image": "python:3.12"}
    at = timezone.now()
    ml = Cluster.objects.create(name="ml", kind="kubernetes", reached_at=at, reached_since=at, last_heartbeat_at=at)
    builders.node(name="ml-n1", cluster=ml, load={"protocol": 1}, cluster_node="n1")
    told = submit({"image": "python:3.12"}, executor="kubernetes").json()
    assert (told["image"], told["environment"]) == ("python:3.12", {})
    assert "Only agents have a venv" in faults(submit({"venv": "/a"}, executor="ml"))["environment.venv"]
    assert "name one of them" in faults(submit({"image": "a"}, executor="any"))["environment.image"]
    assert "once" in faults(submit({"image": "a"}, image="b"))["image"]
