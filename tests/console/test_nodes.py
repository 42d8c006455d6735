"""Nodes in the admin: their load, what they hold, draining."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests import builders
from tests.admin_pages import act, operator, page, staff, told
from workers.models import Node

pytestmark = pytest.mark.django_db
NODES = "/admin/workers/node/"


@pytest.fixture
def client() -> Client:
    return operator()


def test_a_row_shows_what_is_held_of_what_there_is(client):
    node = builders.node(cpus=16, memory_mb=65_536, gpus=4, load={"cpu_percent": 37.4})
    builders.running_job(node=node, gpu_indices=[0, 2], cpus=6, memory_mb=8192)
    builders.running_job(node=node, gpu_indices=[3], cpus=2, memory_mb=8192)
    builders.placement(node=node, attempt=builders.attempt(), cpus=8, gpu_indices=[1], state="closed")
    html = page(client, NODES)
    for figures in ("3 of 4 <progress", "8 of 16 <progress", "16 GB of 64 GB <progress", "37 % <progress", "simulated"):
        assert figures in html
    assert f"?node__id__exact={node.pk}&state__exact=running" in html.replace("&amp;", "&")


def test_liveness_goes_by_the_databases_clock(client):
    now = timezone.now()
    builders.node(name="well", heartbeat=now - timedelta(seconds=5))
    builders.node(name="gone", heartbeat=now - timedelta(hours=1))
    builders.node(name="new", silent=True)
    shown = {node.name: node.liveness(node.now) for node in client.get(NODES).context["cl"].result_list}
    assert shown == {"well": "alive", "gone": "dead", "new": "unknown"}
    assert re.search(r"3,6\d\d s ago", page(client, NODES))


@pytest.mark.parametrize(
    "load", [{}, [], None, {"cpu_percent": "much"}, {"gpus": 3}, {"gpus": [7, {"index": 0}]}, {"walls": "high"}]
)
def test_a_strange_load_breaks_no_page(client, load):
    node = builders.node(gpus=1, load=load or {})
    assert page(client, NODES)
    assert "free" in page(client, f"{NODES}{node.pk}/change/")


def test_a_node_page_says_what_keeps_its_jobs_apart(client):
    node = builders.node(load={"jobs_can_read": "Jobs run as root.", "walls": ["user", "processes"]})
    assert "Jobs run as root. Walls: user, processes." in page(client, f"{NODES}{node.pk}/change/")


def test_a_node_page_names_the_holder_of_each_gpu(client):
    gpus = [builders.gpu(index=0, simulated=False), builders.gpu(index=1, model="A100 <big>")]
    load = {"gpus": [{"index": 0, "utilisation": 97, "memory_used_mb": 60_000}]}
    node = builders.node(gpus=gpus, load=load)
    job = builders.running_job(name="<script>x", node=node, gpu_indices=[0])
    html = page(client, f"{NODES}{node.pk}/change/")
    assert f'/admin/jobs/job/{job.pk}/change/">{job.pk} &lt;script&gt;x</a>' in html
    assert "97 % <progress" in html
    assert "59 GB of 80 GB" in html
    assert "A100 &lt;big&gt; <small" in html


def test_draining_asks_for_the_reason_and_shows_it(client):
    node = builders.node(name="gpu-a")
    asked = act(client, NODES, "drain", [node]).content.decode()
    assert "gpu-a (up)" in asked
    assert Node.objects.get().state == "up"
    act(client, NODES, "drain", [node], apply="yes", reason="new <fan>")
    drained = Node.objects.get()
    assert (drained.state, drained.cordoned, drained.drain_reason) == ("draining", True, "new <fan>")
    assert "new &lt;fan&gt;" in page(client, NODES)


def test_draining_from_the_admin_takes_a_mode_and_a_deadline(client):
    node = builders.node()
    job = builders.running_job(node=node, checkpointable=True)
    act(client, NODES, "drain", [node], apply="yes", mode="checkpoint", deadline_minutes="5")
    drained = Node.objects.get()
    job.refresh_from_db()
    assert (drained.drain_mode, drained.drain_deadline is not None, job.desired) == ("checkpoint", True, "preempt")
    assert "draining (1 job left)" in page(client, NODES)
    assert "Draining (1 job left), mode checkpoint" in page(client, f"{NODES}{node.pk}/change/")


def test_a_node_that_hears_nothing_is_shown_as_deaf(client):
    node = builders.node(consuming=False)
    assert "ty-deaf" in page(client, NODES)
    assert "Messages do not reach its agent" in page(client, f"{NODES}{node.pk}/change/")


def test_a_reason_that_is_too_long_is_asked_for_again(client):
    act(client, NODES, "drain", [builders.node()], apply="yes", reason="x" * 201)
    assert Node.objects.get().state == "up"


def test_undrain_takes_the_nodes_back(client):
    node = builders.node(state="draining", cordoned=True)
    assert told(act(client, NODES, "undrain", [node])) == ["1 take work again as soon as they are up."]
    assert (Node.objects.get().state, Node.objects.get().cordoned) == ("up", False)


def test_a_node_page_offers_to_drain_it_or_to_take_it_back(client):
    up, drained = builders.node(), builders.node(state="draining", cordoned=True)
    assert 'name="action" value="drain"' in page(client, f"{NODES}{up.pk}/change/")
    assert 'name="action" value="undrain"' in page(client, f"{NODES}{drained.pk}/change/")
    assert 'name="action"' not in page(staff("view_node"), f"{NODES}{up.pk}/change/")


@pytest.mark.parametrize("action", ["drain", "undrain"])
def test_who_may_only_look_drains_nothing(action):
    node = builders.node(cordoned=action == "undrain")
    act(staff("view_node"), NODES, action, [node], apply="yes")
    assert Node.objects.get().cordoned == node.cordoned


def test_a_nodes_row_is_written_by_its_agent_alone(client):
    node = builders.node()
    assert client.get(f"{NODES}add/").status_code == 403
    assert client.post(f"{NODES}{node.pk}/change/", {"name": "other"}).status_code == 403


def test_a_node_with_a_history_is_not_deleted(client):
    used, unused = builders.node(), builders.node()
    builders.placement(node=used, state="closed")
    assert client.post(f"{NODES}{used.pk}/delete/", {"post": "yes"}).status_code == 403
    client.post(f"{NODES}{unused.pk}/delete/", {"post": "yes"})
    assert list(Node.objects.all()) == [used]
