"""PostgreSQL and Valkey for the tests: those of DATABASE_URL and BROKER_URL, or else private ones that end with them."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import environ
import hypothesis
import pytest
from django.conf import settings

from tests.servers import SEED, Broker, RunningServer, copy_seed, new_broker, new_postgres

# A busy machine draws examples slowly, and runs them slowly: that is no failure of what they are drawn for.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

EMBEDDED = "TRAINYARD_TEST_EMBEDDED"  # tells the processes of pytest-xdist that an address is ours, not the user's
FOLDER = Path(tempfile.mkdtemp(prefix="trainyard-tests-"))
os.environ.setdefault(SEED, str(FOLDER / "seed"))


def embedded(variable: str) -> bool:
    ours = os.environ.get(EMBEDDED, "").split()
    if variable in os.environ and variable not in ours:
        return False
    os.environ[EMBEDDED] = " ".join({*ours, variable})
    return True


# The addresses are fixed here, before Django connects and before any test starts a process that reads them. The broker
# starts with the tests (0.1 s), the database when the first one asks for it.
DATABASE = new_postgres(FOLDER) if embedded("DATABASE_URL") else None
BROKER = new_broker(FOLDER) if embedded("BROKER_URL") else None
if DATABASE:
    DATABASE.hold_port()
os.environ["TRAINYARD_HOME"] = str(FOLDER / "home")
# Jobs of tests write where their test looks, in a folder that is closed to all but its user; the wall has tests of its own.
os.environ.setdefault("TRAINYARD_RUN_AS", "agent")
os.environ.setdefault("TRAINYARD_SECRET_KEY", "a-key-for-tests-that-protects-nothing-at-all-0123456789")
settings.TRAINYARD_HOME = FOLDER / "home"
settings.SECRET_KEY = os.environ["TRAINYARD_SECRET_KEY"]
if DATABASE:
    os.environ["DATABASE_URL"] = settings.DATABASE_URL = DATABASE.url
    settings.DATABASES["default"].update(environ.Env.db_url_config(DATABASE.url))
if BROKER:
    os.environ["BROKER_URL"] = settings.BROKER_URL = settings.CELERY_BROKER_URL = BROKER.url
    settings.CELERY_BROKER_READ_URL = settings.CELERY_BROKER_WRITE_URL = BROKER.url


def pytest_unconfigure() -> None:
    """Also after Ctrl-C; after SIGKILL the servers end by themselves."""
    for server in (DATABASE, BROKER):
        if server:
            server.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    if DATABASE:
        copy_seed(DATABASE)
        DATABASE.start()


@pytest.fixture(scope="session", autouse=True)
def broker_url() -> str:
    """The broker all tests share: it runs, and nobody kills it."""
    if BROKER:
        BROKER.start()
    return str(settings.BROKER_URL)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own that runs: it may kill(), wipe(), start() and restart() it."""
    private = new_broker(tmp_path)
    private.start()
    yield private
    private.stop()


@pytest.fixture
def postgres_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A database server of the test's own that runs: it may kill(), start() and restart() it."""
    private = new_postgres(tmp_path)
    copy_seed(private)
    private.start()
    yield private
    private.stop()
