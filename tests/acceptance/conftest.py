"""Everything in this folder runs real processes against a real database and broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jobs.messages import publishing
from local_stack.backups.drill import looking_at
from scheduler_site.celery import app
from tests.acceptance.platform import QUICK, Platform
from tests.servers import Broker, RunningServer, create_migrated

WITH_NODE_ROLES = frozenset(
    {"test_code", "test_control", "test_gangs", "test_outputs", "test_secrets", "test_sessions", "test_spot", "test_upgrades"}
)  # fmt: skip
"""Drills whose agents have a database role each, as their nodes' own; those of all others share one, which may do all that these may."""


@pytest.fixture(autouse=True)
def _marked(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.acceptance)


@pytest.fixture
def platform(
    request: pytest.FixtureRequest, transactional_db: None, broker: Broker, tmp_path: Path, settings
) -> Iterator[Platform]:
    """The platform on a broker of the test's own, to which this process publishes too."""
    settings.LEASE_SECONDS = float(QUICK["TRAINYARD_LEASE_SECONDS"])
    settings.LEASE_MARGIN_SECONDS = float(QUICK["TRAINYARD_LEASE_MARGIN_SECONDS"])
    logs = {"BACKEND": settings.FILES, "OPTIONS": {"location": str(tmp_path / "home" / "logs")}}
    settings.STORAGES = {**settings.STORAGES, "logs": logs}
    with publishing_to(broker.url, settings):
        started = Platform(tmp_path / "home", broker.url)
        started.role_for_each_node = request.path.stem in WITH_NODE_ROLES
        yield started
        started.close()


@pytest.fixture
def platform_on_own_database(platform: Platform, postgres_server: RunningServer) -> Iterator[Platform]:
    """The platform, and this test, on a database server that the test may kill. The node n1 is up."""
    url = create_migrated(postgres_server)
    with looking_at(url):
        platform.environment["DATABASE_URL"] = url
        platform.start("n1", beat=True)
        yield platform
        platform.close()


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What /proc shows of the platform's processes is what it shows of users' own."""
    monkeypatch.setattr(Platform, "forks", False)


@contextmanager
def publishing_to(url: str, settings) -> Iterator[None]:
    """This process's Celery app publishes to the broker at `url`."""
    before = settings.BROKER_URL
    settings.BROKER_URL = url
    publishing.circuit = publishing.CircuitBreaker()
    _connect(url)
    yield
    settings.BROKER_URL = before
    _connect(before)


def _connect(url: str) -> None:
    app.conf.update(broker_url=url, broker_read_url=url, broker_write_url=url)
    reset: Any = app
    reset._after_fork()  # drops its pools of connections
