"""An agent that another one has replaced gives way; one whose run hangs does not keep it."""

import signal
import time
import uuid

import pytest

from executors.run.placement_run import PlacementRun
from executors.session import sync
from executors.session.requests import Identity
from jobs.models import Placement
from tests import builders
from tests.executors.upload.test_logs import run_of
from workers.hardware.inventory import Hardware
from workers.models import Node

pytestmark = pytest.mark.django_db
MINE = uuid.uuid4()


@pytest.fixture
def run(tmp_path) -> PlacementRun:
    return run_of(builders.running_job(node=builders.node(name="n1", agent_id=MINE)), tmp_path / "run")


@pytest.fixture
def sent(monkeypatch):
    """The signals that the agent sends itself."""
    numbers: list[int] = []
    monkeypatch.setattr("executors.session.sync.os.kill", lambda _, number: numbers.append(number))
    return numbers


@pytest.fixture
def mine(run, tmp_path, sent):
    """The session of that node's agent, without its thread."""
    made = sync.NodeSession(identity=Identity("n1", MINE), hardware=Hardware(8, 32768), attempts=tmp_path, load=dict)
    made.node_id = Node.objects.get().pk
    made.reattach(run)
    return made


def lease():
    return Placement.objects.get().lease_expires_at


def test_an_agent_that_another_one_has_replaced_renews_nothing_and_ends(mine, run, sent):
    Node.objects.update(agent_id=uuid.uuid4())

    mine._beat()
    mine._beat()

    assert lease() is None
    assert run.suspended is False
    assert sent == [signal.SIGTERM], "told once"


def test_an_agent_renews_what_runs(mine, sent):
    mine._beat()

    assert lease() is not None
    assert sent == []


def test_a_run_that_hangs_is_not_renewed(mine, run, monkeypatch):
    later = time.monotonic() + 1000
    monkeypatch.setattr("executors.run.placement_run.time.monotonic", lambda: later)

    mine._beat()

    assert run.hangs
    assert lease() is None
