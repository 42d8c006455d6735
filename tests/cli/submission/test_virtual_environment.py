"""Whoever submits from an activated environment is told which Python will run, and can have it run there."""

import sys

import pytest

from tests.cli.rows import job


@pytest.fixture
def active(tmp_path, monkeypatch):
    """An activated environment that has a program `python`."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "python"
    program.touch(mode=0o755)
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    return tmp_path


@pytest.fixture
def submitted(trainyard, connected):
    connected.answers("POST", "jobs", job(17), status=201)
    return lambda *words: (trainyard("submit", *words).err, connected.asked[-1].body.get("env", {}))


def test_the_active_environment_is_not_taken_by_itself_and_that_is_said(submitted, active):
    said, env = submitted("python", "train.py")

    assert f"python will be the nodes' own, not that of {active}" in said
    assert "--venv" in said
    assert env == {}


def test_with_venv_the_job_runs_in_it(submitted, active):
    said, env = submitted("--venv", "-e", "LR=1", "python", "train.py")

    assert env == {"VIRTUAL_ENV": str(active), "LR": "1"}
    assert "nodes' own" not in said


@pytest.mark.parametrize(
    "words",
    [["nvidia-smi"], ["/usr/bin/python3", "x.py"], ["-e", "PATH=/own", "python"], ["-e", "VIRTUAL_ENV=/v", "python"]],
)
def test_nothing_is_said_where_nobody_could_be_mistaken(submitted, active, words):
    assert "nodes' own" not in submitted(*words)[0]


def test_nothing_is_said_in_the_environment_that_the_platform_runs_jobs_with(submitted, active, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)

    assert "nodes' own" not in submitted("python", "train.py")[0]


def test_venv_without_an_active_environment_is_refused(trainyard, connected, monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)

    outcome = trainyard("submit", "--venv", "true")

    assert (outcome.code, connected.asked) == (2, [])
    assert "no virtual environment is active here" in outcome.err
