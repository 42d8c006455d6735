"""Nodes that were scaled away: hidden after a while, removed by staff, back as soon as their agent is."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from jobs.models import Job
from jobs.planning import snapshot
from tests import builders
from tests.admin_pages import operator
from tests.rest import V1, client_of, rows
from workers import heartbeats
from workers.hardware import inventory
from workers.models import Node

pytestmark = pytest.mark.django_db
URL = f"{V1}/nodes"
LONG_AGO = timedelta(days=2)


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def gone(name="n1", *, since=LONG_AGO, **fields):
    """A node whose agent said goodbye."""
    return builders.node(name=name, state="down", heartbeat=timezone.now() - since, **fields)


def names(response):
    return [row["name"] for row in rows(response)]


def test_a_node_that_said_goodbye_long_ago_is_listed_only_among_all(staff):
    gone("away"), gone("just", since=timedelta(minutes=5)), builders.node(name="here")
    builders.node(name="silent", state="down", heartbeat=timezone.now() - LONG_AGO, agent_id="0" * 32)
    assert names(staff.get(URL)) == ["here", "just", "silent"]
    assert names(staff.get(f"{URL}?all=true")) == ["away", "here", "just", "silent"]
    assert staff.get(f"{URL}?all=maybe").status_code == 400
    assert staff.get(f"{V1}/jobs/scheduler/info").json()["nodes"]["dead"] == 2


def test_the_admin_hides_it_too():
    gone("away"), builders.node(name="here")
    client = operator()
    shown = {all_: [str(one) for one in client.get(f"/admin/workers/node/{all_}").context["cl"].result_list]
             for all_ in ("", "?fleet=all")}  # fmt: skip
    assert shown == {"": ["here"], "?fleet=all": ["away", "here"]}


def test_staff_remove_a_node_and_what_ran_there_keeps_its_name(staff):
    node = gone(labels={"zone": "a"}, cordoned=True)
    job = builders.job(state="completed", node=node)
    builders.placement(node=node, state="closed", attempt=builders.attempt(job=job))
    assert staff.delete(f"{URL}/n1").status_code == 204
    assert staff.get(f"{URL}/n1").status_code == 404
    assert names(staff.get(f"{URL}?all=true")) == []
    assert snapshot.nodes() == ()
    assert Job.objects.get().node.name == "n1"
    assert staff.delete(f"{URL}/n1").status_code == 404


def test_its_agent_brings_it_back_as_new(staff):
    gone(labels={"zone": "a"}, cordoned=True, drain_reason="old")
    staff.delete(f"{URL}/n1")
    heartbeats.register(name="n1", hardware=inventory.inventory(), agent_id=UUID("1" * 32), labels={}, version="")
    back = staff.get(f"{URL}/n1").json()
    assert (back["state"], back["labels"], back["drain_reason"]) == ("up", {}, "")


def test_an_agent_that_was_only_cut_off_shows_it_again(staff):
    node = builders.node(name="n1", agent_id="2" * 32, heartbeat=timezone.now() - LONG_AGO)
    assert staff.delete(f"{URL}/n1").status_code == 204
    assert heartbeats.beat(node_id=node.pk, agent_id=UUID("2" * 32), load={})
    assert names(staff.get(URL)) == ["n1"]


def test_a_node_that_is_in_use_stays(staff):
    builders.node(name="alive")
    builders.running_job(node=builders.node(name="silent", heartbeat=timezone.now() - LONG_AGO))
    answers = {name: staff.delete(f"{URL}/{name}") for name in ("alive", "silent")}
    assert [response.status_code for response in answers.values()] == [409, 409]
    assert "stop its agent first" in answers["alive"].json()["detail"]
    assert "a job holds a place" in answers["silent"].json()["detail"]
    assert not Node.objects.filter(removed_at__isnull=False).exists()


def test_a_node_that_is_reserved_stays(staff):
    gone()
    ahead = timezone.now() + timedelta(hours=1)
    body = {"name": "cooling", "nodes": ["n1"], "start": ahead.isoformat(), "end": (ahead + LONG_AGO).isoformat()}
    assert staff.post(f"{V1}/reservations", body).status_code == 201
    assert "reservation cooling" in staff.delete(f"{URL}/n1").json()["detail"]


def test_only_staff_remove():
    gone()
    assert client_of(builders.user()).delete(f"{URL}/n1").status_code == 403
