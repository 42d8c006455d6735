"""healthz and readyz: asked without a token, telling no secret, naming the part that does not work."""

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from jobs.models import Cycle
from jobs.models.sweep import Sweep
from tests import builders
from tests.rest import V1, client_of
from tests.servers import new_broker


@pytest.fixture(autouse=True)
def _nothing_remembered():
    cache.clear()


@pytest.fixture
def beat_and_planner(db):
    every = IntervalSchedule.objects.create(every=5, period="seconds")
    PeriodicTask.objects.create(name="cycle", task="trainyard.run_cycle", interval=every, last_run_at=timezone.now())
    Cycle.objects.update(started_at=timezone.now())
    Sweep.objects.update_or_create(defaults={"swept_at": timezone.now()})


def ready():
    response = client_of().get(f"{V1}/readyz")
    faulty = {name for name, part in response.json().items() if not part["ok"]}
    assert response.status_code == (503 if faulty else 200)
    return faulty


@pytest.mark.parametrize("url", ["/healthz", f"{V1}/healthz"])
def test_health_asks_no_database(url):
    """Without the `db` mark a test that touches the database fails."""
    assert client_of().get(url).json() == {"ok": True}


@pytest.mark.usefixtures("beat_and_planner", "broker_url")
def test_ready_when_everything_works():
    assert ready() == set()
    assert client_of().get("/readyz").status_code == 200


@pytest.mark.usefixtures("broker_url")
@pytest.mark.django_db
def test_an_installation_that_never_ran_is_not_ready():
    assert ready() == {"beat", "planner", "recovery"}


@pytest.mark.usefixtures("beat_and_planner", "broker_url")
def test_agents_are_told_of_and_fail_nothing():
    builders.node(consuming=True)
    builders.node(consuming=False)
    builders.node(heartbeat=timezone.now() - timedelta(minutes=5))
    assert ready() == set()
    agents = client_of().get(f"{V1}/readyz").json()["agents"]
    assert agents == {"ok": True, "detail": "1 of 3 nodes take work; 1 silent, 1 deaf."}


@pytest.mark.usefixtures("beat_and_planner", "broker_url")
def test_a_planner_that_fell_silent_is_named():
    Cycle.objects.update(started_at=timezone.now() - timedelta(minutes=1))
    assert ready() == {"planner"}


@pytest.mark.usefixtures("beat_and_planner", "broker_url")
def test_sweeps_that_stopped_are_named():
    Sweep.objects.update(swept_at=timezone.now() - timedelta(minutes=1))
    assert ready() == {"recovery"}


@pytest.mark.usefixtures("beat_and_planner", "broker_url")
def test_a_beat_that_fell_silent_is_named():
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(minutes=1))
    assert ready() == {"beat"}


@pytest.mark.usefixtures("beat_and_planner")
def test_a_broker_that_is_away_is_named_within_seconds_and_its_password_is_not(settings, tmp_path):
    settings.BROKER_URL = new_broker(tmp_path).url  # nothing runs there
    started = time.monotonic()
    response = client_of().get(f"{V1}/readyz")
    assert time.monotonic() - started < 5
    assert response.json()["broker"]["ok"] is False
    assert b"secret" not in response.content


@pytest.mark.usefixtures("broker_url")
def test_a_database_that_is_away_is_named(django_db_blocker, monkeypatch):
    """Connecting fails: the test has blocked the database."""
    with django_db_blocker.block():
        assert ready() >= {"database", "planner"}


@pytest.mark.usefixtures("beat_and_planner", "broker_url")
def test_however_often_it_is_asked_the_servers_are_asked_once_a_second(django_assert_num_queries):
    ready()
    with django_assert_num_queries(0):
        ready()
    assert connection.vendor == "postgresql"
