"""A run that its node has taken and never begins is given back; one that begins late finds its lease over."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings

from executors.run.placement_run import PlacementRun
from scheduling.lifecycle import EndReason
from tests.executors.run.test_placement_run import MEMBER, SINGLE
from tests.workers.launching import Launcher, launcher
from workers.runtime.shim.clock import boottime
from workers.runtime.shim.command import Command


@pytest.fixture
def start(tmp_path):
    yield from launcher(tmp_path)


@pytest.fixture
def much_later(monkeypatch):
    """Puts the monotonic clock of the agent forward beyond the time that a start may take."""
    now = time.monotonic()
    return lambda: monkeypatch.setattr(
        "executors.run.placement_run.time.monotonic", lambda: now + settings.START_SECONDS + 60
    )


def test_a_launch_that_is_stuck_hangs(tmp_path, much_later):
    run = PlacementRun(SINGLE, tmp_path, lease_deadline=0)
    assert not run.hangs

    much_later()
    assert run.hangs


def test_a_member_that_waits_for_its_gang_does_not(tmp_path, much_later):
    run = PlacementRun(MEMBER, tmp_path, lease_deadline=0)

    much_later()
    assert not run.hangs


def test_a_command_that_runs_does_not(start: Launcher, tmp_path, much_later):
    run = PlacementRun(replace(SINGLE), tmp_path, lease_deadline=boottime() + 60)
    run.attach(start("sleep", "60").started().shim)

    much_later()
    assert not run.hangs


@pytest.mark.parametrize(
    ("number", "reason"), [(28, "disk_full"), (122, "disk_full"), (11, "platform_error"), (5, "platform_error")]
)
def test_what_the_node_could_not_do_is_no_fault_of_the_command(tmp_path, number, reason):
    ending = PlacementRun(SINGLE, tmp_path, lease_deadline=0).failed_to_start(OSError(number, "no"))

    assert (ending.reason, ending.started_at) == (reason, None)


def test_a_command_that_does_not_exist_is(start: Launcher, tmp_path):
    run = PlacementRun(SINGLE, tmp_path, lease_deadline=boottime() + 60)

    assert run.outcome(start("/no/such/command").outcome()).reason == EndReason.START_FAILED


@pytest.mark.parametrize(("number", "blamed"), [(11, True), (5, True), (24, True), (2, False), (13, False), (7, False)])
def test_the_shim_tells_the_node_s_faults_from_the_command_s(monkeypatch, number, blamed):
    monkeypatch.setattr(Command, "spawn_within", lambda *_: (_ for _ in ()).throw(OSError(number, "no")))
    command = Command.__new__(Command)
    spec: Any = SimpleNamespace(cwd=".", argv=["true"], wall=None)
    command.spec, command.blames_node, command.pid, command.init = spec, False, 0, 0

    assert command.start().startswith("cannot start 'true'")
    assert command.blames_node is blamed
