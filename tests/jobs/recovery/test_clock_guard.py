"""Unknown never kills: whoever was away or had a wrong clock gives everybody time to be heard again."""

import time
from datetime import datetime, timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from jobs.models import Job, Placement
from jobs.models.sweep import Sweep
from jobs.recovery import clock_guard, sweep
from jobs.recovery.sweep import Recovered
from quotas.clock import database_now
from scheduling.lifecycle import JobState
from tests import builders
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def watch(monkeypatch):
    """A process that has not looked at the clock yet."""
    fresh = clock_guard.ClockGuard()
    monkeypatch.setattr(clock_guard, "guard", fresh)
    return fresh


@pytest.fixture
def lost():
    """A job whose lease ran out long ago, on a node that fell silent then."""
    job = builders.running_job(node=builders.node(heartbeat=timezone.now() - timedelta(minutes=5)))
    Placement.objects.update(lease_expires_at=timezone.now() - timedelta(minutes=4))
    return job


def later(seconds: float) -> None:
    """So much time passes on the database's clock, for the sweeps."""
    by = timedelta(seconds=seconds)
    Sweep.objects.update(swept_at=F("swept_at") - by, leases_judged_from=F("leases_judged_from") - by)


def leap(seconds: float) -> None:
    """The database's clock is set forward, or back: everything it dated is as much older, or younger."""
    by = timedelta(seconds=seconds)
    later(seconds)
    Placement.objects.update(lease_expires_at=F("lease_expires_at") - by, published_at=F("published_at") - by)
    Node.objects.update(last_heartbeat_at=F("last_heartbeat_at") - by)
    if clock_guard.guard.last:
        clock_guard.guard.last = clock_guard.guard.last._replace(database=clock_guard.guard.last.database - by)


def state(job: Job) -> str:
    return Job.objects.get(pk=job.pk).state


def test_a_sweep_in_time_judges(lost):
    assert sweep.recover().lost == 1


def test_after_a_pause_nobody_is_judged_until_all_could_be_heard(lost, watch):
    sweep.recover()
    second = builders.running_job(node=builders.node(name="n2"))
    Placement.objects.filter(attempt__job=second).update(lease_expires_at=timezone.now() - timedelta(minutes=4))

    later(60)
    watch.last = None
    assert sweep.recover() == Recovered(), "as after an outage of the database that was longer than a lease"
    later(29)
    watch.last = None
    assert sweep.recover() == Recovered()
    assert state(second) == JobState.RUNNING
    assert Node.objects.get(name="n2").state == "up"

    later(2)
    watch.last = None
    assert sweep.recover().lost == 1


def test_sweeps_that_always_come_late_put_nothing_off_for_ever(lost, watch):
    Sweep.objects.create(swept_at=database_now() - timedelta(hours=1))
    swept = []
    for _ in range(4):
        swept.append(sweep.recover().lost)
        later(31)
        watch.last = None

    assert sum(swept) == 1


@pytest.mark.parametrize("seconds", [5, 60, 3600, -5, -3600])
def test_a_leap_of_the_database_s_clock_kills_nothing(seconds):
    """Forward, all leases seem to have run out; agents renew them by the new clock before they are judged."""
    job = builders.running_job(node=builders.node())
    Placement.objects.update(lease_expires_at=database_now() + timedelta(seconds=20))
    assert sweep.recover() == Recovered()

    leap(seconds)

    assert sweep.recover() == Recovered()
    assert state(job) == JobState.RUNNING
    assert Sweep.objects.get().leases_judged_from > database_now()
    assert Node.objects.get().state == "up"


def test_after_a_leap_back_the_dead_are_missed_within_a_lease():
    job = builders.running_job(node=builders.node())
    Placement.objects.update(lease_expires_at=database_now() + timedelta(seconds=20))
    sweep.recover()

    leap(-3600)
    sweep.recover()

    assert Placement.objects.get().lease_expires_at <= database_now() + timedelta(seconds=30)
    assert Node.objects.get().last_heartbeat_at <= database_now()
    Placement.objects.update(lease_expires_at=database_now() - timedelta(seconds=60))
    later(31)
    Sweep.objects.update(swept_at=database_now())
    clock_guard.guard.last = None
    assert sweep.recover().lost == 1
    assert state(job) == JobState.PENDING


def test_a_process_that_was_itself_delayed_takes_that_for_no_leap(watch, monkeypatch):
    watch.read()

    def slowly() -> datetime:
        read = database_now()
        time.sleep(1.2)
        return read

    monkeypatch.setattr(clock_guard, "database_now", slowly)

    assert watch.read()[1] is False


def test_two_processes_that_sweep_in_turn_share_what_they_know(lost, monkeypatch):
    sweep.recover()
    later(60)
    for _ in range(3):
        monkeypatch.setattr(clock_guard, "guard", clock_guard.ClockGuard())
        assert sweep.recover() == Recovered()
