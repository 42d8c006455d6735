"""An agent whose machine goes at a time that is known: what it says of that, and how it leaves."""

import math
import os
import signal
import time
import uuid
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db.models import F
from django.db.models.functions import Now

from executors.management.commands.node import Command, lifetime_of
from executors.node.time_up import TimeUp
from executors.run.placement_run import PlacementRun
from executors.session.departure import Departure
from executors.session.lifetime import ENDLESS, Lifetime, read_until
from executors.session.node_row import NodeRow
from executors.session.requests import Identity
from jobs.planning.snapshot import nodes
from scheduling.lifecycle import EndReason
from tests import builders
from tests.executors.upload.test_logs import run_of
from tests.waiting import wait_for
from workers import heartbeats
from workers.hardware.inventory import Hardware
from workers.models import Node

AGENT = uuid.uuid4()


@pytest.fixture
def run(tmp_path) -> PlacementRun:
    return run_of(builders.running_job(node=builders.node(name="n1")), tmp_path / "run")


def ending_in(seconds: float, leave_seconds: float = 20.0) -> Lifetime:
    return Lifetime(time.time() + seconds, leave_seconds)


def registered(lifetime: Lifetime) -> Any:
    row = NodeRow(Identity("n1", AGENT, lifetime=lifetime))
    return Node.objects.annotate(left=F("leaves_at") - Now()).get(pk=row.register(Hardware(8, 32_768)))


@pytest.mark.django_db
def test_it_says_when_it_leaves_by_the_clock_of_the_database_and_the_planner_knows():
    node = registered(ending_in(100))
    assert 75 < node.left.total_seconds() <= 80
    [view] = nodes()
    assert view.leaves_at == pytest.approx(node.leaves_at.timestamp(), abs=0.001)


@pytest.mark.django_db
def test_one_that_has_said_goodbye_or_stays_leaves_nothing_of_it_behind():
    node = registered(ending_in(100))
    heartbeats.deregister(node_id=node.pk, agent_id=AGENT)
    assert Node.objects.get().leaves_at is None
    registered(ending_in(100))
    assert registered(ENDLESS).leaves_at is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("left", "leave_seconds", "grace"),
    [(math.inf, 0, 30), (1_000, 20, 30), (1_000, 2_000, 60), (45, 60, 40), (2, 60, 1)],
)
def test_jobs_get_the_grace_of_who_gives_way_and_never_more_than_is_left(run, left, leave_seconds, grace):
    Departure(lambda: None, ending_in(left, leave_seconds)).drain([run])
    assert run.stopping is not None
    assert (run.stopping.reason, run.stopping.gives_way) == (EndReason.PREEMPTED, True)
    assert run.stopping.grace_seconds == pytest.approx(grace, abs=0.5)


def test_it_ends_itself_once_its_time_is_up_and_not_before(monkeypatch):
    told: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _, number: told.append(number))
    late, soon = TimeUp(ending_in(60, 30)), TimeUp(ending_in(20.3))
    for each in (late, soon, TimeUp(ENDLESS)):
        each.start()
    assert told == []
    wait_for(lambda: told == [signal.SIGTERM], 10, "the order to end")
    late.close()


@pytest.mark.parametrize("text", ["2030-05-01T18:00:00Z", "2030-05-01T20:00:00+02:00", "1903888800"])
def test_a_moment_is_written_with_its_zone_or_in_seconds(text):
    assert read_until(text) == 1_903_888_800


@pytest.mark.parametrize("text", ["4h", "2030-05-01T18:00:00", "-5", "tomorrow"])
def test_what_is_no_moment_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="write 2030-05-01T18:00:00Z"):
        read_until(text)


def test_in_a_job_of_slurm_its_end_is_known_unless_another_one_was_said(monkeypatch, settings):
    settings.NODE_LEAVE_SECONDS = 10
    assert lifetime_of("") == ENDLESS
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert lifetime_of("") == ENDLESS
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1900000000")
    assert lifetime_of("") == Lifetime(1_900_000_000, 10)
    assert lifetime_of("2030-05-01T18:00:00Z") == Lifetime(1_903_888_800, 10)


def test_an_agent_that_would_have_to_leave_at_once_begins_only_for_what_another_one_left(
    settings, tmp_path, monkeypatch
):
    settings.NODE_LEAVE_SECONDS, settings.TRAINYARD_HOME = 120, tmp_path
    begun: list[bool] = []
    monkeypatch.setattr(Command, "serve", lambda *_, **__: begun.append(True))
    said = ["--name", "pilot-1", "--until", str(int(time.time()) + 100)]
    with pytest.raises(CommandError, match="an agent leaves 120 s before that"):
        call_command("node", *said)
    (tmp_path / "nodes/pilot-1/attempts/17").mkdir(parents=True)
    call_command("node", *said)
    assert begun == [True]
