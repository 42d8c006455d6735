"""A policy that fails stops no cycle, and somebody hears of it."""

import logging

import pytest

from jobs.models import Cycle, Queue
from jobs.planning import cycle
from jobs.state import alerts
from scheduling.lifecycle import JobState
from scheduling.policies import POLICIES, SchedulingPolicy
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db


class Lottery(SchedulingPolicy):
    name = "lottery"

    def sort_key(self, job, queue, now):  # noqa: ARG002 - it fails whatever it is asked
        raise RuntimeError("out of tickets")


@pytest.fixture(autouse=True)
def queue_with_a_policy_that_fails(monkeypatch):
    monkeypatch.setitem(POLICIES, "lottery", Lottery())
    Queue.objects.filter(name="default").update(policy="lottery")
    alerts.publish([])


def test_its_jobs_start_all_the_same():
    builders.node()
    job = builders.job()
    cycle.run_cycle()
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_the_cycle_tells_as_long_as_it_lasts():
    builders.job()
    cycle.run_cycle()
    info = client_of(builders.user()).get(f"{V1}/jobs/scheduler/info").json()
    assert "out of tickets" in info["cycle"]["alerts"][0]

    Queue.objects.filter(name="default").update(policy="")
    cycle.run_cycle()
    assert Cycle.objects.get().alerts == []


def test_it_is_logged_once_not_with_every_cycle(caplog):
    builders.job()
    with caplog.at_level(logging.ERROR, logger="jobs.state.alerts"):
        cycle.run_cycle()
        cycle.run_cycle()
    assert [record.message for record in caplog.records if "lottery" in record.message] == Cycle.objects.get().alerts


def test_the_first_page_of_the_admin_shows_it(client):
    client.force_login(builders.user(staff=True, is_superuser=True))
    builders.job()
    cycle.run_cycle()
    assert "out of tickets" in client.get("/admin/").content.decode()
