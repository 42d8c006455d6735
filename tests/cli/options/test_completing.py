"""What Tab offers in bash: names that the server knows, quickly or not at all."""

import time

import pytest

from cli.options.completing import STATES
from scheduling.lifecycle import JobState
from tests.cli.rows import job, node


@pytest.fixture
def complete(trainyard, monkeypatch):
    def complete(*words):
        monkeypatch.setenv("_TRAINYARD_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(["trainyard", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        return trainyard().out.split()

    return complete


def test_commands_are_offered(complete):
    assert complete("who") == ["whoami"]
    assert {"describe", "drain"} <= set(complete("nodes", "d"))


def test_names_that_the_server_knows_are_offered(complete, connected):
    connected.lists("nodes", node("gpu-1"), node("gpu-2"), node("cpu-1"))
    connected.lists("queues", {"name": "live", "description": ""}, {"name": "batch", "description": ""})
    connected.lists("projects", {"slug": "vision", "name": ""})
    connected.lists("jobs", job(17), job(18))

    assert complete("nodes", "drain", "gpu") == ["gpu-1", "gpu-2"]
    assert complete("submit", "--queue", "l") == ["live"]
    assert complete("list", "--project", "v") == ["vision"]
    assert complete("cancel", "1") == ["17", "18"]


def test_states_are_those_there_are(complete):
    assert complete("list", "--state", "co") == ["completed"]
    assert set(STATES) == set(JobState)


def test_profiles_are_offered(complete, tmp_path):
    from cli.client.connection import save_login

    save_login("https://two.example", "second", "", environ={"HOME": str(tmp_path / "home")}, profile="work")
    assert complete("--profile", "w") == ["work"]


def test_without_an_answer_nothing_is_offered_and_nobody_waits(complete, monkeypatch):
    monkeypatch.setenv("TRAINYARD_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TRAINYARD_TOKEN", "secret")
    began = time.monotonic()
    assert complete("cancel", "1") == []
    assert time.monotonic() - began < 5
