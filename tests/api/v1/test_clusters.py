"""/clusters: everybody looks, staff give up; and what is refused of jobs and queues that name an executor."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Job
from jobs.planning import cycle
from tests import builders
from tests.rest import V1, client_of, faults, rows
from workers.models import Cluster

pytestmark = pytest.mark.django_db
URL = f"{V1}/clusters"


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


@pytest.fixture
def submit():
    """POST a job that would be fine but for what the test says about it."""
    client = client_of(builders.member(project=builders.project(slug="vision")))
    return lambda **body: client.post(f"{V1}/jobs", {"project": "vision", "command": ["true"]} | body)


def cluster(name="ml", *, reached=True, **fields) -> Cluster:
    at = timezone.now() if reached else timezone.now() - timedelta(hours=1)
    known = {"kind": "kubernetes", "reached_at": at, "reached_since": at, "last_heartbeat_at": timezone.now()}
    return Cluster.objects.create(name=name, **known | fields)


def node_of(made: Cluster, **fields):
    known = {"heartbeat": made.reached_at, "load": {"protocol": 1}, "cluster_node": "n1"}
    return builders.node(name=f"{made.name}-n1", cluster=made, **known | fields)


def test_everybody_sees_whether_a_cluster_answers_and_why_not(staff):
    node_of(cluster())
    node_of(cluster("off", reached=False, fault="connection refused", workloads={"running": 3}))
    first, second = rows(client_of(builders.user()).get(URL))
    assert (first["name"], first["state"], first["nodes"], first["fault"]) == (
        "ml",
        "reached",
        {"known": 1, "up": 1},
        "",
    )
    assert (second["state"], second["nodes"]["up"], second["fault"]) == ("silent", 0, "connection refused")
    assert client_of().get(URL).status_code == 401
    assert staff.get(f"{URL}/nowhere").json()["detail"] == "There is no cluster nowhere. There are: ml, off."


def test_staff_declare_a_silent_cluster_lost_and_nobody_else(staff):
    made = cluster("off", reached=False)
    job = builders.running_job(node=node_of(made, state="down"))
    assert client_of(builders.user()).post(f"{URL}/off/declare-lost").status_code == 403
    assert staff.post(f"{URL}/off/declare-lost").json() == {"ended": 1}
    job.refresh_from_db()
    assert (job.state, job.attempts.get().end_reason) == ("pending", "node_lost")
    assert staff.get(f"{URL}/off").json()["state"] == "lost"


def test_a_cluster_that_answers_is_not_given_up(staff):
    cluster()
    assert staff.post(f"{URL}/ml/declare-lost").status_code == 409


def test_an_executor_that_is_not_there_is_refused_with_those_that_are(submit):
    words = "There is no executor 'ml'. There are: agent and any; no cluster has registered yet."
    assert faults(submit(executor="ml")) == {"executor": words}
    cluster("off")
    assert (
        faults(submit(executor="ml"))["executor"]
        == "There is no executor 'ml'. There are: agent, any, kubernetes and off."
    )


def test_what_a_cluster_cannot_do_is_refused_by_its_field(submit):
    cluster(unsupported={"resources.gpu_memory_gb": "Its devices are shared."})
    asked = {"gpus": 1, "gpu_memory_gb": 10}
    assert faults(submit(executor="ml", resources=asked))["resources.gpu_memory_gb"] == "Its devices are shared."
    assert "may be cluster ml" in faults(submit(executor="any", resources=asked))["resources.gpu_memory_gb"]
    assert submit(executor="agent", resources=asked).status_code == 201
    assert submit(image="python:3.12").json()["environment"] == {"image": "python:3.12"}


def test_a_job_goes_where_it_or_its_queue_says(submit, staff):
    """Without a word to agents; an image is kept."""
    made = cluster()
    node_of(made)
    builders.node(name="n1")
    builders.queue(name="night")
    assert staff.patch(f"{V1}/queues/night", {"executor": "ml"}, format="json").json()["executor"] == "ml"
    assert (
        "There is no executor"
        in faults(staff.patch(f"{V1}/queues/night", {"executor": "nobody"}, format="json"))["executor"]
    )
    told = {"plain": {}, "own": {"executor": "kubernetes", "image": "python:3.12"}, "queued": {"queue": "night"}}
    ids = {name: submit(name=name, **body).json()["id"] for name, body in told.items()}
    cycle.run_cycle()
    placed = {name: Job.objects.get(pk=pk).node.name for name, pk in ids.items()}
    assert placed == {"plain": "n1", "own": "ml-n1", "queued": "ml-n1"}
    assert Job.objects.get(pk=ids["own"]).image == "python:3.12"


def test_who_can_only_run_in_a_silent_cluster_says_so(submit):
    node_of(cluster("off", reached=False, fault="connection refused"))
    builders.node(name="n1")
    job = submit(executor="off").json()["id"]
    cycle.run_cycle()
    [reason] = Job.objects.get(pk=job).reasons
    assert reason["code"] == "cluster"
    assert "connection refused" in reason["sentence"]


def test_a_suspension_is_refused_where_nothing_can_stand_still():
    made = cluster(unsupported={"suspend": "Pods cannot stand still."})
    job = builders.running_job(node=node_of(made))
    owner = builders.member(project=job.project, role="admin")
    answer = client_of(owner).post(f"{V1}/jobs/{job.pk}/pause", {"suspend": True}, format="json")
    assert answer.status_code == 409
    assert "Cluster ml: Pods cannot stand still. Pause it instead." in answer.json()["detail"]
