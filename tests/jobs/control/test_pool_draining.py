"""A pool's surplus: drained only while it holds no job, whatever a cycle does at the very moment."""

import pytest

from jobs.control import pool_draining
from jobs.models import Placement
from jobs.planning import cycle
from tests import builders
from tests.racing import race
from workers.models import Node

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def node() -> Node:
    return builders.node(name="p-1", cpus=4, labels={"pool": "p"})


def test_what_a_cycle_is_just_placing_is_waited_for_and_its_node_stays():
    builders.job(cpus=1)
    assert race(cycle.run_cycle, lambda: pool_draining.drain_idle(["p-1"], 1)) == []
    assert not Node.objects.get().cordoned


def test_a_cycle_that_comes_with_the_drain_places_nothing_there():
    builders.job(cpus=1)
    placed = race(lambda: pool_draining.drain_idle(["p-1"], 1), cycle.run_cycle)
    assert (placed.placed, Placement.objects.count()) == (0, 0)


def test_no_more_are_drained_than_are_asked_for_and_none_twice():
    builders.node(name="p-2", labels={"pool": "p"})
    assert pool_draining.drain_idle(["p-1", "p-2", "p-3"], 1) == ["p-1"]
    assert pool_draining.drain_idle(["p-1"], 1) == []


def test_what_somebody_else_has_drained_is_not_given_back():
    Node.objects.update(cordoned=True, drain_reason="a fan is loud")
    assert not pool_draining.keep("p-1")
    assert Node.objects.get().cordoned


def test_a_node_that_a_job_or_a_living_agent_needs_is_not_forgotten(node):
    pool_draining.forget_gone("p-1")
    builders.running_job(node=node)
    Node.objects.update(state="down", last_heartbeat_at=None)
    pool_draining.forget_gone("p-1")
    assert Node.objects.get().removed_at is None
