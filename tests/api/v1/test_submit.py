"""POST /jobs: what is taken, and what is refused, by the name of its field."""

import pytest

from jobs.models import Job
from quotas.models import Project, Quota
from tests import builders
from tests.rest import V1, client_of, faults

pytestmark = pytest.mark.django_db
URL = f"{V1}/jobs"


@pytest.fixture
def member():
    return builders.member(project=builders.project(slug="vision"))


@pytest.fixture
def submit(member):
    """POST a job that would be fine but for what the test says about it."""
    client = client_of(member)

    def post(**body):
        return client.post(URL, {"project": "vision", "name": "train", "command": ["python", "train.py"]} | body)

    return post


def test_a_job_is_answered_with_all_that_is_known_of_it(submit, member):
    response = submit(resources={"gpus": 2, "memory_gb": 1.5}, priority="urgent", labels={"sweep": "a"})
    job = response.json()
    assert response.status_code == 201
    assert (job["state"], job["priority"], job["owner"]) == ("pending", 90, member.username)
    assert job["resources"] == {
        "gpus": 2, "gpu_memory_gb": 0, "gpu_model": "", "cpus": 1, "memory_gb": 1.5, "nodes": 1,
        "node_labels": {},
    }  # fmt: skip
    assert job["reasons"][0]["sentence"]


def test_a_job_may_ask_for_nodes_with_labels_that_some_node_has(submit):
    builders.node(name="n1", labels={"zone": "a"})
    taken, refused = (submit(resources={"node_labels": {"zone": zone}}) for zone in ("a", "b"))

    assert taken.json()["resources"]["node_labels"] == {"zone": "a"}
    assert faults(refused) == {"resources.node_labels": "Needs a node with the label zone=b; no node is like that."}


def test_the_contract_lists_these_fields(submit):
    contract = """id name project queue priority command working_dir env resources max_runtime_seconds
        estimated_runtime_seconds deadline checkpointable preemptible max_retries depends_on labels submission_key state
        progress metrics position reasons predicted_start estimated_cost actual_cost attempt node created_at queued_at
        started_at finished_at exit_code end_reason"""
    assert set(contract.split()) <= set(submit().json())


def test_what_was_sent_is_what_is_kept(submit):
    sent = {
        "command": ["sh", "-c", "echo ' äöü '"], "env": {"LR": " 0.1 "}, "labels": {"team": "vision"}, "queue": "batch",
        "working_dir": "/data/run 1", "max_runtime_seconds": 60, "estimated_runtime_seconds": 30, "stall_seconds": 10, "stall_action": "warn", "grace_seconds": 600,
        "deadline": "2035-01-31T12:00:00Z", "checkpointable": True, "preemptible": False, "max_retries": 3,
        "submission_key": "k1",
    }  # fmt: skip
    answer = submit(**sent).json()
    assert {name: answer[name] for name in sent} == sent


def test_a_job_without_a_name_is_called_by_its_command(submit):
    assert submit(name="", command=["python", "train.py"]).status_code == 400
    response = client_of(builders.user(staff=True)).post(URL, {"project": "vision", "command": ["echo", "hi"]})
    assert response.json()["name"] == "echo hi"


def test_the_same_submission_key_answers_200_with_the_first_job(submit):
    first = submit(submission_key="once")
    again = submit(submission_key="once", name="other")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    assert Job.objects.count() == 1


def test_a_job_may_wait_for_another_of_the_same_project(submit):
    first = submit().json()["id"]
    assert submit(depends_on=[first]).json()["depends_on"] == [first]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"project": "nowhere"}, "project"),
        ({"project": None}, "project"),
        ({"project": 5}, "project"),
        ({"queue": "nowhere"}, "queue"),
        ({"queue": "a\0b"}, "queue"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "nul\0"}, "name"),
        ({"command": []}, "command"),
        ({"command": "python train.py"}, "command"),
        ({"command": ["", "x"]}, "command"),
        ({"command": ["python", 5]}, "command"),
        ({"command": ["python", "a\0b"]}, "command"),
        ({"command": ["x"] * 1001}, "command"),
        ({"command": ["x" * 200_000]}, "command"),
        ({"command": None}, "command"),
        ({"command": {"program": "x"}}, "command"),
        ({"env": {"A": 5}}, "env.A"),
        ({"env": {"A=B": "c"}}, "env"),
        ({"env": {"": "c"}}, "env"),
        ({"env": {"A": "a\0b"}}, "env"),
        ({"env": {"A\0": "b"}}, "env"),
        ({"env": {"A": "x" * 10 * 1024**2}}, "env"),
        ({"env": ["A=B"]}, "env"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": {"x" * 64: ""}}, "labels"),
        ({"labels": {"a": "x" * 201}}, "labels"),
        ({"labels": {str(n): "" for n in range(65)}}, "labels"),
        ({"working_dir": "/a\0b"}, "working_dir"),
        ({"working_dir": "x" * 4097}, "working_dir"),
        ({"resources": {"gpus": -1}}, "resources.gpus"),
        ({"resources": {"gpus": 1025}}, "resources.gpus"),
        ({"resources": {"gpus": 1.5}}, "resources.gpus"),
        ({"resources": {"gpus": "many"}}, "resources.gpus"),
        ({"resources": {"gpus": True}}, "resources.gpus"),
        ({"resources": {"gpus": 10**30}}, "resources.gpus"),
        ({"resources": {"cpus": 0}}, "resources.cpus"),
        ({"resources": {"cpus": 4097}}, "resources.cpus"),
        ({"resources": {"memory_gb": -0.5}}, "resources.memory_gb"),
        ({"resources": {"memory_gb": 1e7}}, "resources.memory_gb"),
        ({"resources": {"memory_gb": "8"}}, "resources.memory_gb"),
        ({"resources": {"gpu_memory_gb": 1e308}}, "resources.gpu_memory_gb"),
        ({"resources": {"gpu_model": "a\0"}}, "resources.gpu_model"),
        ({"resources": {"nodes": 0}}, "resources.nodes"),
        ({"resources": {"node_labels": {"zone": 1}}}, "resources.node_labels.zone"),
        ({"resources": {"node_labels": ["zone"]}}, "resources.node_labels"),
        ({"resources": {"node_labels": {"a=b": ""}}}, "resources.node_labels"),
        ({"resources": {"nodes": 10_001}}, "resources.nodes"),
        ({"resources": {"gpu": 1}}, "resources.gpu"),
        ({"resources": [1]}, "resources"),
        ({"priority": 101}, "priority"),
        ({"priority": -1}, "priority"),
        ({"priority": "asap"}, "priority"),
        ({"priority": 50.5}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": [50]}, "priority"),
        ({"deadline": "2001-01-01T00:00:00Z"}, "deadline"),
        ({"deadline": "2035-01-01T00:00:00"}, "deadline"),
        ({"deadline": "soon"}, "deadline"),
        ({"deadline": "2035-13-01T00:00:00Z"}, "deadline"),
        ({"deadline": "9999-12-31T23:59:59-14:00"}, "deadline"),
        ({"deadline": 5}, "deadline"),
        ({"max_runtime_seconds": 0}, "max_runtime_seconds"),
        ({"max_runtime_seconds": 10**10}, "max_runtime_seconds"),
        ({"max_retries": 101}, "max_retries"),
        ({"grace_seconds": 1801}, "grace_seconds"),
        ({"depends_on": [10**6]}, "depends_on"),
        ({"depends_on": [10**30]}, "depends_on[0]"),
        ({"depends_on": ["a"]}, "depends_on[0]"),
        ({"depends_on": 5}, "depends_on"),
        ({"checkpointable": "maybe"}, "checkpointable"),
        ({"submission_key": "x" * 201}, "submission_key"),
        ({"state": "running"}, "state"),
        ({"comand": ["x"]}, "comand"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_is_refused_by_name(submit, body, field):
    response = submit(**body)
    assert response.status_code == 400
    assert field in faults(response)
    assert not Job.objects.exists()


def test_a_refusal_says_what_would_be_right(submit):
    assert "urgent" in faults(submit(priority="asap"))["priority"]
    assert "Did you mean command?" in faults(submit(comand=["x"]))["comand"]
    assert '["python", "train.py"]' in faults(submit(command="python train.py"))["command"]
    assert "put it in quotes" in faults(submit(env={"A": 1}))["env.A"]


def test_every_fault_is_named_at_once(submit):
    found = faults(submit(priority="asap", command=[], resources={"gpus": -1, "cpus": 0}))
    assert set(found) == {"priority", "command", "resources.gpus", "resources.cpus"}


def test_more_gpus_than_any_node_has_is_refused_at_once(submit):
    builders.node(gpus=4)
    assert "resources.gpus" in faults(submit(resources={"gpus": 8}))


def test_more_than_the_quota_could_ever_give_is_refused_at_once(submit):
    builders.node(gpus=8)
    Quota.objects.create(project=Project.objects.get(slug="vision"), gpus=2)
    assert "resources.gpus" in faults(submit(resources={"gpus": 4}))


def test_somebody_elses_project_looks_like_none(submit):
    builders.project(slug="secret")
    assert "project" in faults(submit(project="secret"))


def test_a_viewer_may_not_submit():
    viewer = builders.member(project=builders.project(slug="vision"), role="viewer")
    response = client_of(viewer).post(URL, {"project": "vision", "name": "x", "command": ["x"]})
    assert response.status_code == 403


@pytest.mark.parametrize("field", ["name", "command", "env"])
def test_half_a_character_is_refused(member, field):
    """JSON can write a lone surrogate, the database cannot store one."""
    value = {"name": '"\\ud800"', "command": '["\\ud800"]', "env": '{"A": "\\ud800"}'}[field]
    body = f'{{"project": "vision", "command": ["x"], "{field}": {value}}}'
    assert field in faults(client_of(member).generic("POST", URL, body, content_type="application/json"))


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_refused(member, body):
    assert client_of(member).post(URL, body).status_code == 400


@pytest.mark.parametrize(("said", "reported_mb"), [(80, 81_559), (16, 15_360), (141, 143_771)])
def test_gpu_memory_is_counted_as_its_maker_counts_it(submit, said, reported_mb):
    """Given a card that is sold with so many GB, when a job asks for as many, then it fits."""
    builders.node(gpus=[builders.gpu(memory_mb=reported_mb)])

    response = submit(resources={"gpus": 1, "gpu_memory_gb": said})

    assert response.status_code == 201
    assert response.json()["resources"]["gpu_memory_gb"] == said
