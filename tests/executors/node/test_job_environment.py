"""What a command finds beside its own variables."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from executors.node import job_environment
from jobs.attempts.claims import PlacementSpec

CLAIMED = PlacementSpec(
    placement_id=1, token="t", job_id=17, job_name="digits", attempt_id=3, attempt=2, project="vision",
    command=("true",), working_dir="", env={}, cpus=1, memory_mb=0, gpu_indices=(), max_runtime_seconds=None,
)  # fmt: skip


@pytest.fixture
def python(tmp_path):
    job_environment.lay_out(tmp_path / "python")
    return tmp_path / "python"


def imported(python, cwd, *, env=None, script="import trainyard; print(trainyard.__file__)"):
    found = job_environment.environment(replace(CLAIMED, env=env or {}), python)
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], env=found, cwd=cwd, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr


def test_a_command_imports_the_package_from_anywhere_and_nothing_else_of_ours(python, tmp_path):
    (tmp_path / "work").mkdir()
    assert imported(python, tmp_path / "work") == str(python / "trainyard" / "__init__.py")
    assert [path.name for path in python.iterdir()] == ["trainyard"]
    assert "No module named 'jobs'" in imported(python, tmp_path / "work", script="import jobs")


def test_what_a_job_brings_under_that_name_goes_first(python, tmp_path):
    for folder in ("work", "brought"):
        (tmp_path / folder).mkdir()
    (tmp_path / "brought" / "trainyard.py").touch()
    env = {"PYTHONPATH": str(tmp_path / "brought")}
    assert imported(python, tmp_path / "work", env=env) == str(tmp_path / "brought" / "trainyard.py")
    (tmp_path / "work" / "trainyard.py").touch()
    assert imported(python, tmp_path / "work") == str(tmp_path / "work" / "trainyard.py")


def test_laying_out_again_leads_to_the_package_of_now(python):
    (python / "trainyard").unlink()
    (python / "trainyard").symlink_to("/no/such/folder")
    job_environment.lay_out(python)
    assert (python / "trainyard" / "__init__.py").exists()


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path):
    (tmp_path / "file").touch()
    job_environment.lay_out(tmp_path / "file" / "python")


def test_without_a_setting_nothing_is_said_of_mlflow(python):
    assert set(job_environment.environment(CLAIMED, python)) == {"PYTHONPATH"}


def test_runs_of_mlflow_go_where_the_operator_said_and_are_found_by_their_job(python, settings):
    settings.MLFLOW_TRACKING_URI = "http://mlflow:5000"
    found = job_environment.environment(CLAIMED, python)
    assert found["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert json.loads(found["MLFLOW_RUN_CONTEXT"]) == {
        "mlflow.runName": "digits", "trainyard.job_id": "17", "trainyard.attempt": "2", "trainyard.project": "vision",
    }  # fmt: skip


def test_what_a_job_says_of_mlflow_goes_first(python, settings):
    settings.MLFLOW_TRACKING_URI = "http://mlflow:5000"
    own = {"MLFLOW_TRACKING_URI": "file:/tmp/mine", "MLFLOW_RUN_CONTEXT": "{}", "MLFLOW_RUN_ID": "abc"}
    assert own.items() >= job_environment.environment(replace(CLAIMED, env=own), python).items() - {
        ("PYTHONPATH", str(python))
    }


@pytest.mark.parametrize("name", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_a_job_that_names_a_virtual_environment_finds_its_programs_first(python, monkeypatch, name):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    found = job_environment.environment(replace(CLAIMED, env={name: "/home/ann/venv"}), python)

    assert found["PATH"] == "/home/ann/venv/bin:/usr/bin:/bin"


@pytest.mark.parametrize("env", [{}, {"VIRTUAL_ENV": "/home/ann/venv", "PATH": "/own/bin"}, {"VIRTUAL_ENV": ""}])
def test_else_the_path_is_left_as_it_is(python, env):
    assert "PATH" not in job_environment.environment(replace(CLAIMED, env=env), python)
