"""GET /system: how the platform itself is, for staff; whatever is away, the rest is told."""

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from api.v1 import health
from jobs.messages import queue_depths
from jobs.messages.queue_depths import BrokerState
from jobs.models import AuditResult, Cycle
from jobs.models.sweep import Sweep
from jobs.state import alerts
from scheduler_site import env
from scheduler_site.env import Reading
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
URL = f"{V1}/system"


@pytest.fixture(autouse=True)
def broker(monkeypatch):
    """One that answers; `fail` makes it raise."""
    cache.clear()
    asked: dict[str, Exception | None] = {"fault": None}

    def ask(nodes):
        if asked["fault"]:
            raise asked["fault"]
        return BrokerState("Valkey 9.1", {"control": 3, "gpu.urgent.n1": 1}, whole=True)

    def checked():
        if asked["fault"]:
            raise asked["fault"]
        return ""

    monkeypatch.setattr(queue_depths, "ask", ask)
    monkeypatch.setattr(health, "broker", checked)
    yield asked
    cache.clear()


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def tick(seconds_ago: float) -> None:
    every = IntervalSchedule.objects.create(every=5, period="seconds")
    last = timezone.now() - timedelta(seconds=seconds_ago)
    PeriodicTask.objects.all().update(last_run_at=last)
    PeriodicTask.objects.create(name="scheduling cycle of a test", task="x", interval=every, last_run_at=last)


def test_only_staff_read_it(staff):
    assert client_of().get(URL).status_code == 401
    assert client_of(builders.user()).get(URL).status_code == 403
    assert staff.get(URL).status_code == 200


def test_it_tells_of_every_part(staff, settings):
    tick(1)
    Cycle.objects.update(started_at=timezone.now(), duration_ms=12.5, placed=2, waiting=9)
    Sweep.objects.update_or_create(pk=1, defaults={"swept_at": timezone.now()})
    AuditResult.objects.update_or_create(
        books="quotas",
        defaults={"drift": {"rows": {"gpus": 2, "cpus": 0}, "agents": {"cpus": 0}}, "mended": {"lost": 1}},
    )
    alerts.raise_("disk", "The disk is full.")
    builders.node(name="old", version="0.0.1")
    builders.node(name="new", version=settings.RELEASE, consuming=False)
    answer = staff.get(URL).json()

    assert answer["versions"]["agents"] == [
        {"version": "0.0.1", "nodes": 1, "skewed": True},
        {"version": settings.RELEASE, "nodes": 1, "skewed": False},
    ]
    assert (answer["versions"]["skewed"], answer["versions"]["broker"]) == (True, "Valkey 9.1")
    assert answer["versions"]["postgresql"][0].isdigit()
    assert answer["queues"]["depths"][0] == {"queue": "control", "messages": 3}
    assert (answer["cycle"]["duration_ms"], answer["cycle"]["waiting"]) == (12.5, 9)
    assert answer["beat"]["silent"] is False
    [audit] = [one for one in answer["audits"] if one["books"] == "quotas"]
    assert (audit["drift"], audit["mended"]) == ({"rows gpus": 2}, {"lost": 1})
    assert answer["fleet"]["deaf"] == {"count": 1, "names": ["new"]}
    assert [one["sentence"] for one in answer["alerts"]] == ["The disk is full."]
    assert answer["database"]["bytes"] > 0
    assert len(answer["database"]["tables"]) == 10
    assert {name: part["ok"] for name, part in answer["services"].items()} == dict.fromkeys(
        ("web", "beat", "control", "broker", "database", "agents"), True
    )


def test_a_broker_that_is_away_and_a_beat_that_is_silent_are_told_of(staff, broker):
    tick(3600)
    broker["fault"] = ConnectionError("refused by amqp://me:hunter2@db")
    answer = staff.get(URL)
    assert "hunter2" not in answer.content.decode()
    known = answer.json()
    assert known["queues"] == {"detail": "The broker does not answer.", "whole": False, "depths": []}
    assert (known["services"]["broker"]["ok"], known["beat"]["silent"], known["services"]["beat"]["ok"]) == (
        False,
        True,
        False,
    )


def test_a_broker_that_hangs_is_waited_for_no_longer_than_its_time(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(queue_depths, "ALL_SECONDS", 0.05)
    monkeypatch.setattr(queue_depths, "_ask", lambda _: time.sleep(1))
    with pytest.raises(TimeoutError):
        queue_depths.ask([])


def test_settings_that_somebody_has_set_are_told_and_secrets_by_name_alone(staff, settings, monkeypatch):
    readings = (
        Reading("TRAINYARD_PORT", 8000, "default"),
        Reading("TRAINYARD_LEASE_SECONDS", 45.0, "environment"),
        Reading("TRAINYARD_SECRET_KEY", True, "environment", secret=True),
        Reading("TRAINYARD_SOMEWHERE", "https://me:hunter2@there", "environment"),
    )
    monkeypatch.setattr(env, "readings", {one.name: one for one in readings})
    settings.CHANGED_SETTINGS = env.changed()
    known = staff.get(URL).json()["settings"]
    assert [(one["name"], one["value"], one["secret"]) for one in known] == [
        ("TRAINYARD_LEASE_SECONDS", 45.0, False),
        ("TRAINYARD_SECRET_KEY", None, True),
        ("TRAINYARD_SOMEWHERE", None, True),
    ]


def test_more_nodes_take_no_more_statements(staff, django_assert_max_num_queries):
    builders.node()
    with django_assert_max_num_queries(30) as few:
        staff.get(URL)
    cache.clear()
    for _ in range(5):
        builders.node()
    with django_assert_max_num_queries(len(few)):
        staff.get(URL)
