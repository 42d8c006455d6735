"""When commands last showed a sign of life and their GPUs last worked, on its way to the database.

By its clock, now and then, and never backwards.
"""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from executors.upload import activity
from jobs.models import Placement
from quotas.clock import database_now
from tests import builders
from tests.executors.upload.test_logs import run_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path):
    return run_of(builders.running_job(), tmp_path / "run")


def seconds_ago() -> float | None:
    at = Placement.objects.get().active_at
    return None if at is None else (database_now() - at).total_seconds()


def test_a_sign_is_dated_by_how_long_ago_it_was(run):
    run.active_at = time.monotonic() - 7

    activity.ship([run])

    assert seconds_ago() == pytest.approx(7, abs=2)


def test_a_sign_that_comes_late_takes_no_later_one_back(run):
    Placement.objects.update(active_at=timezone.now() - timedelta(seconds=1))
    run.active_at = time.monotonic() - 60

    activity.ship([run])

    assert seconds_ago() < 30


@pytest.mark.parametrize(("stall_seconds", "told"), [(None, 1), (16, 2)])
def test_what_is_busy_all_the_time_is_told_of_now_and_then_and_more_often_where_it_may_soon_stall(
    run, monkeypatch, django_assert_num_queries, stall_seconds, told
):
    run.claimed = replace(run.claimed, stall_seconds=stall_seconds)
    began = time.monotonic()
    with django_assert_num_queries(told):
        for second in range(4):
            monkeypatch.setattr("executors.upload.activity.time.monotonic", lambda now=began + second: now)
            run.active_at = began + second
            activity.ship([run])


@pytest.mark.parametrize("stale", ["token", "closed"])
def test_a_stale_run_says_nothing_of_the_job_s_present_attempt(run, stale):
    if stale == "token":
        run.claimed = replace(run.claimed, token="00000000-0000-0000-0000-000000000000")
    else:
        Placement.objects.update(state="closed", closed_at=timezone.now())
    run.active_at = time.monotonic()

    activity.ship([run])

    assert Placement.objects.get().active_at is None


def look(run, *, active_ago: float, measured_ago: float) -> None:
    gpu = run.measured.gpu
    gpu.active_at, gpu.measured_at = time.monotonic() - active_ago, time.monotonic() - measured_ago


def test_for_how_long_gpus_are_idle_is_told_though_the_command_shows_no_sign(run):
    look(run, active_ago=600, measured_ago=1)

    activity.ship([run])

    placement = Placement.objects.get()
    assert placement.gpus_idle_seconds == pytest.approx(599, abs=1)
    assert (database_now() - placement.gpus_measured_at).total_seconds() < 10
    assert placement.active_at is None


def test_while_nobody_measures_them_idle_time_does_not_grow(run):
    look(run, active_ago=600, measured_ago=300)
    activity.ship([run])
    run.gpus_told = 0

    activity.ship([run])

    assert Placement.objects.get().gpus_idle_seconds == pytest.approx(300, abs=1)


def test_the_next_agent_takes_back_nothing_of_what_the_last_one_said(run):
    look(run, active_ago=20, measured_ago=1)
    activity.ship([run])
    run.gpus_told = 0
    look(run, active_ago=60, measured_ago=50)

    activity.ship([run])

    assert Placement.objects.get().gpus_idle_seconds == pytest.approx(19, abs=2)


def test_of_gpus_that_nobody_measures_no_idle_time_is_known(run):
    run.active_at = time.monotonic()
    activity.ship([run])
    assert Placement.objects.get().gpus_idle_seconds is None
