"""What a node's heartbeat says of its disk and its GPUs reaches whoever looks after it."""

import pytest

from jobs.reports import node_condition
from jobs.reports.metrics import exposition
from tests import builders
from tests.rest import V1, client_of
from workers.models import Node

pytestmark = pytest.mark.django_db
ILL = {
    "disk_full": True,
    "disk_free_mb": 7,
    "gpus_out": [{"index": 1, "reason": "GPU 1 reported Xid 79: it has fallen off the bus."}],
    "trespasses": [
        {"gpu": 0, "pid": 42, "command": "python x", "of_a_job": True},
        {"gpu": 0, "pid": 43, "command": "xmrig", "of_a_job": False},
    ],
}
SENTENCES = [
    "Its disk is full, 7 MB are left, less than is kept free (TRAINYARD_DISK_RESERVE_MB): it takes nothing new.",
    "GPU 1 reported Xid 79: it has fallen off the bus. It gets no work.",
    "Process 42 (python x) computes on GPU 0; it is of a job that does not hold that GPU.",
    "Process 43 (xmrig) computes on GPU 0; it is of no job of this node.",
]


def test_an_operator_reads_it_in_the_health_of_the_node():
    builders.node(name="n1", gpus=2, load=ILL)
    health = client_of(builders.user()).get(f"{V1}/nodes/n1").json()["health"]
    assert health["ok"] is False
    assert set(SENTENCES) <= set(health["reasons"])


def test_alarms_have_figures():
    builders.node(gpus=2, load=ILL)
    builders.node(load={"disk_full": False})
    text = exposition.exposition().decode()
    for line in ("trainyard_full_disks 1.0", "trainyard_gpus_out 1.0", "trainyard_gpu_trespasses 2.0"):
        assert line in text


@pytest.mark.parametrize("load", [{}, [], {"disk_full": "yes", "gpus_out": 3, "trespasses": [7]}], ids=repr)
def test_a_strange_load_says_nothing(load):
    assert node_condition.sentences(Node(load=load)) == []


@pytest.mark.parametrize(
    ("load", "walls"), [({}, None), ({"walls": []}, []), ({"walls": ["user", "tmp"]}, ["user", "tmp"])]
)
def test_anybody_sees_what_keeps_the_jobs_of_a_node_apart(load, walls):
    builders.node(name="n1", load=load)
    assert client_of(builders.user()).get(f"{V1}/nodes/n1").json()["walls"] == walls
