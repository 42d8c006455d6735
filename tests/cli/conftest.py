"""The command line run in this process, against a small server that answers as it is told to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cli.main import main
from tests.cli.yard import Yard

OURS = (
    "TRAINYARD_URL",
    "TRAINYARD_TOKEN",
    "TRAINYARD_HOME",
    "TRAINYARD_PROJECT",
    "TRAINYARD_PROFILE",
    "XDG_CONFIG_HOME",
)


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def yard() -> Iterator[Yard]:
    yard = Yard()
    yield yard
    yard.stop()


@pytest.fixture(autouse=True)
def at_home(monkeypatch, tmp_path) -> None:
    """A user's empty home and an empty current folder: nothing of the machine that runs the tests shines through."""
    for name in OURS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def trainyard(capfd, monkeypatch) -> Callable[..., Outcome]:
    """Run one command, connected to nothing but what its arguments and the environment say."""

    def run(*words: Any) -> Outcome:
        with pytest.raises(SystemExit) as end:
            main([str(word) for word in words])
        out, err = capfd.readouterr()
        return Outcome(int(end.value.code or 0), out, err)

    return run


@pytest.fixture
def connected(yard, monkeypatch) -> Yard:
    """The yard, named by the environment."""
    monkeypatch.setenv("TRAINYARD_URL", yard.url)
    monkeypatch.setenv("TRAINYARD_TOKEN", "secret")
    return yard
