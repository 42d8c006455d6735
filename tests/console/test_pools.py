"""Pools in the admin: what each is to have, set by the rules of REST, paused and resumed."""

import pytest
from django.test import Client

from tests.admin_pages import act, operator, page
from workers.models import NodePool

pytestmark = pytest.mark.django_db
POOLS = "/admin/workers/nodepool/"
FIELDS = {
    "name": "small", "cpus": 2, "memory_mb": 8000, "gpus": 0, "gpu_memory_mb": 0, "labels": "{}", "min_nodes": 0,
    "max_nodes": 4, "spare_nodes": 0, "startup_seconds": 60, "scale_up_seconds": 30, "scale_down_seconds": 600,
    "actuator": "local", "actuator_settings": "{}",
}  # fmt: skip


@pytest.fixture
def client() -> Client:
    return operator()


@pytest.fixture
def pool() -> NodePool:
    found = {"desired_nodes": 3, "busy_nodes": 1, "why": "2 jobs wait for them", "fault": "no room in zone a"}
    return NodePool.objects.create(name="small", cpus=2, memory_mb=8000, max_nodes=4, actuator="local", **found)


def test_the_list_shows_what_each_is_to_have_and_why(client, pool):
    shown = page(client, POOLS)
    for words in ("3 of 4", "2 jobs wait for them", "no room in zone a", "failing"):
        assert words in shown


def test_a_pool_is_made_and_changed_and_what_contradicts_itself_is_refused(client):
    assert client.post(f"{POOLS}add/", FIELDS).status_code == 302
    made = NodePool.objects.get()
    NodePool.objects.update(desired_nodes=2)
    address = f"{POOLS}{made.pk}/change/"
    refused = client.post(address, FIELDS | {"min_nodes": 5})
    assert list(refused.context["adminform"].form.errors) == ["max_nodes"]
    wrong = client.post(address, FIELDS | {"labels": "[1]", "actuator_settings": "[2]"})
    assert list(wrong.context["adminform"].form.errors) == ["labels", "actuator_settings"]
    assert client.post(address, FIELDS | {"max_nodes": 9}).status_code == 302
    made.refresh_from_db()
    assert (made.max_nodes, made.desired_nodes) == (9, 2)


@pytest.mark.parametrize(("action", "before"), [("pause", False), ("resume", True)])
def test_pools_are_paused_and_resumed(client, pool, action, before):
    NodePool.objects.update(paused=before)
    act(client, POOLS, action, [pool])
    assert NodePool.objects.get().paused is not before


def test_one_that_is_being_scaled_is_not_deleted(client, pool):
    assert client.post(f"{POOLS}{pool.pk}/delete/", {"post": "yes"}).status_code == 403
    NodePool.objects.update(paused=True)
    assert client.post(f"{POOLS}{pool.pk}/delete/", {"post": "yes"}).status_code == 302
