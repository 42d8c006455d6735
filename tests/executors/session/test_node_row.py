"""Whenever a node takes work that it did not take before, a cycle is asked for: nobody waits for beat."""

import time
import uuid

import pytest
from django.db import transaction

from executors.session.node_row import NodeRow
from executors.session.requests import Identity
from jobs.control import draining
from jobs.messages import publishing
from tests import builders
from workers.hardware.inventory import Hardware
from workers.heartbeats import QueueProbeResult
from workers.models import Node

pytestmark = pytest.mark.django_db(transaction=True)
HEARD = QueueProbeResult()
OUT = {"gpus_out": [{"index": 0, "reason": "Xid 79"}, {"index": 1, "reason": "Xid 79"}]}


@pytest.fixture
def asked(monkeypatch):
    """For each cycle that is asked for, whether the node takes work by then, as others see it."""
    seen: list[bool] = []
    monkeypatch.setattr(
        publishing, "_send_cycle_request", lambda: seen.append(not transaction.get_connection().in_atomic_block)
    )
    return seen


@pytest.fixture
def row():
    return NodeRow(Identity("n1", uuid.uuid4()))


def beat(row, load, *, leaving=False):
    return row.beat(Node.objects.get().pk, load, leaving=leaving, heard=HEARD)


def test_a_node_that_registers_is_planned_with_at_once(asked, row):
    row.register(Hardware(8, 32768))
    assert asked == [True]
    beat(row, {})
    assert asked == [True], "a heartbeat alone changes nothing"


@pytest.mark.parametrize("before", [OUT, {"disk_full": True}])
def test_what_takes_work_again_is_planned_with_at_once(asked, row, before):
    row.register(Hardware(8, 32768))
    beat(row, before), beat(row, before)
    assert len(asked) == 1
    beat(row, {"gpus_out": before.get("gpus_out", [])[1:]})
    assert len(asked) == 2
    beat(row, {})
    assert len(asked) == (3 if before is OUT else 2)


def test_a_node_that_was_silent_for_a_lease_is_planned_with_when_it_is_heard_of_again(
    asked, row, monkeypatch, settings
):
    row.register(Hardware(8, 32768))
    later = time.monotonic() + settings.LEASE_SECONDS + 1
    monkeypatch.setattr("executors.session.node_row.time.monotonic", lambda: later)
    beat(row, {}), beat(row, {})
    assert len(asked) == 2


def test_one_that_leaves_or_belongs_to_another_agent_asks_for_nothing(asked, row):
    row.register(Hardware(8, 32768))
    beat(row, OUT), beat(row, {}, leaving=True)
    Node.objects.update(agent_id=uuid.uuid4())
    beat(row, OUT), beat(row, {})
    assert len(asked) == 1


def test_a_node_that_is_undrained_is_planned_with_once_that_is_committed(asked):
    node = builders.node(name="n1", cordoned=True)
    draining.undrain(node)
    assert asked == [True]
