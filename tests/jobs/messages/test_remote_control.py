"""Agents are called by remote control when something is wished of their jobs; nobody waits for the call."""

import time
from contextlib import suppress
from typing import Any

import pytest
from celery.worker.control import Panel

from executors import tasks  # noqa: F401 - with the tasks the command is known
from executors.celery_worker import speaker
from jobs.control import actions
from jobs.messages import publishing, remote_control
from scheduler_site.celery import app
from scheduling.lifecycle import JobState
from tests import builders
from tests.waiting import wait_for


@pytest.fixture
def called(monkeypatch) -> list[set[str]]:
    calls: list[set[str]] = []
    monkeypatch.setattr(remote_control.caller, "call", lambda names: calls.append(set(names)))
    return calls


@pytest.mark.django_db
@pytest.mark.parametrize("verb", [actions.cancel, actions.pause, actions.requeue, actions.suspend])
def test_the_nodes_that_hold_the_job_are_called_after_the_commit(verb, called, django_capture_on_commit_callbacks):
    job = builders.running_job(node=builders.node(name="n1"))
    with django_capture_on_commit_callbacks(execute=True):
        verb(job_id=job.pk, actor="ann")
        assert called == []

    assert called == [{"n1"}]


@pytest.mark.django_db
def test_nobody_is_called_for_a_job_that_no_node_holds(called, django_capture_on_commit_callbacks):
    placed = builders.job(state=JobState.QUEUED)
    builders.placement(attempt=builders.attempt(job=placed))
    with django_capture_on_commit_callbacks(execute=True):
        for job in (placed, builders.job()):
            actions.cancel(job_id=job.pk, actor="ann")

    assert called == []


def test_a_call_reaches_the_agent_of_the_node_and_no_other():
    heard: list[str] = []
    with app.connection_for_read() as connection:
        remote: Any = app.control
        mailbox = remote.mailbox(connection)
        listeners = []
        for name in ("node@n1", "node@n2"):
            node = mailbox.Node(name, handlers={remote_control.LOOK: lambda _, name=name: heard.append(name)})
            listeners.append(node.listen(channel=connection.channel()))
        listened(connection)  # with the first look they subscribe
        remote_control.Notifier().call({"n1"})
        wait_for(lambda: listened(connection) and heard, message="the call")
        listened(connection)

    assert heard == ["node@n1"]


def listened(connection) -> bool:
    """After a moment in which messages may come in."""
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.3)
    return True


def test_an_agent_that_is_called_looks(monkeypatch):
    looks: list[str] = []

    class Runner:
        def refresh(self) -> None:
            looks.append("look")

    monkeypatch.setattr(speaker, "current", None)
    Panel.data[remote_control.LOOK](None)
    monkeypatch.setattr(speaker, "current", Runner())
    Panel.data[remote_control.LOOK](None)

    assert looks == ["look"]


def test_a_broker_that_hangs_delays_nobody_and_fails_nothing(monkeypatch):
    def hangs(*_):
        time.sleep(0.5)
        raise ConnectionError("no answer")

    monkeypatch.setattr(remote_control, "_publish", hangs)
    monkeypatch.setattr(remote_control, "circuit", circuit := publishing.CircuitBreaker())
    began = time.monotonic()
    caller = remote_control.Notifier()
    caller.call({"n1"})
    caller.call({"n2"})

    assert time.monotonic() - began < 0.4
    wait_for(lambda: circuit.is_open, message="the failure to be noticed")
    assert caller._thread.is_alive()
