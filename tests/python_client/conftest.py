"""A client of a small server that answers as it is told to."""

from collections.abc import Iterator

import pytest

from tests.cli.yard import Yard
from trainyard import Client

OURS = (
    "TRAINYARD_URL",
    "TRAINYARD_TOKEN",
    "TRAINYARD_HOME",
    "TRAINYARD_PROJECT",
    "TRAINYARD_PROFILE",
    "XDG_CONFIG_HOME",
)


@pytest.fixture(autouse=True)
def at_home(monkeypatch, tmp_path) -> None:
    """A user's empty home and an empty current folder."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def yard() -> Iterator[Yard]:
    yard = Yard()
    yield yard
    yard.stop()


@pytest.fixture
def client(yard) -> Iterator[Client]:
    with Client(yard.url, "secret", "vision") as client:
        yield client
