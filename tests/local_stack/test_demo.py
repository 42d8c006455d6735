"""What the demonstration shows and how it judges; `make demo` itself runs the real thing."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from local_stack.demo import best_model, following, results, sweep
from local_stack.demo.pool_changes import PoolChanges

ALL = len(sweep.runs("x"))


def job(**fields: Any) -> following.Job:
    done = {"state": "completed", "metrics": {"accuracy": 0.98, "loss": 0.1}, "progress": 1.0, "node": "cpu-1"}
    times = {"created_at": "2030-01-01T10:00:00Z", "started_at": "2030-01-01T10:00:02.500Z"}
    base = {"id": 1, "name": "digits", "hardware": "cpu", "priority": 90, "reasons": [], "message": ""}
    return {**base, **done, **times, **fields}


def shown(table: Table, width: int = 140) -> str:
    output = StringIO()
    Console(file=output, width=width).print(table)
    return output.getvalue()


def test_the_sweep_has_a_dozen_runs_over_all_priorities_and_both_kinds_of_hardware():
    runs = sweep.runs("x")
    assert len(runs) >= 12
    kinds = {(run["priority"], bool(run["resources"]["gpus"])) for run in runs}
    assert kinds == {(priority, gpu) for priority in ("urgent", "normal", "background") for gpu in (True, False)}
    assert len({run["submission_key"] for run in runs}) == len(runs)


def test_a_sweep_with_a_snapshot_names_nothing_of_this_machine_but_the_interpreter():
    with sweep.code_of_nobody() as folder:
        assert {"train.py", "score.py"} <= {path.name for path in folder.iterdir()}
        assert not folder.is_relative_to(sweep.EXAMPLE.parent)
    assert not folder.exists()
    for run in sweep.runs("x", "a-snapshot"):
        assert run["snapshot"] == "a-snapshot"
        assert not [word for word in [run["working_dir"], *run["command"][1:]] if word.startswith("/")]


class Pool:
    """Answers with these names, one set a look, the last one for ever."""

    def __init__(self, *looks: list[str]) -> None:
        self.looks = list(looks)

    def nodes_of_pool(self, _pool: str) -> list[str]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def changes(*looks: list[str]) -> tuple[PoolChanges, StringIO]:
    output = StringIO()
    return PoolChanges(Pool(*looks), Console(file=output, width=140)), output  # type: ignore[arg-type]


def test_a_pool_that_grows_and_shrinks_is_told_of_once_a_change(monkeypatch):
    monkeypatch.setattr("local_stack.demo.pool_changes.LOOK_SECONDS", 0)
    pool, output = changes([], ["local-1"], ["local-1"], [])
    for _ in range(3):
        pool.look()
    assert pool.until_empty(5)
    assert output.getvalue().splitlines() == [
        "Pool local grows from 0 to 1: local-1 is up",
        "Pool local shrinks from 1 to 0: local-1 had no job left",
    ]


def test_a_pool_that_does_not_shrink_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr("local_stack.demo.pool_changes.LOOK_SECONDS", 0)
    pool, _ = changes(["local-1"])
    moments = iter(range(100))
    assert not pool.until_empty(5, clock=lambda: next(moments))


def test_good_results_have_no_shortcomings():
    assert results.shortcomings([job(id=number) for number in range(ALL)], expected=ALL) == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"state": "failed", "message": "exit code 3"}, "Job 1 (digits) is failed: exit code 3"),
        ({"state": "pending", "reasons": [{"code": "capacity", "sentence": "No CPU."}]}, "is pending: No CPU."),
        ({"metrics": {"accuracy": 0.5}}, "The best accuracy is 0.5000; this training reaches 0.97 and more."),
    ],
)
def test_a_run_that_is_not_as_it_should_be_is_named(fields: dict[str, Any], complaint: str):
    assert any(complaint in found for found in results.shortcomings([job(**fields)], expected=1))


def test_a_lost_run_is_noticed():
    assert "12 runs were submitted, and the platform knows 1." in results.shortcomings([job()], expected=12)


def test_the_reasons_of_a_wait_are_kept_when_the_platform_has_forgotten_them():
    reasons = following.Reasons()
    waiting = {"state": "pending", "started_at": None}
    reasons.note([job(**waiting, reasons=[{"code": "new", "sentence": "Not looked at yet."}])])
    reasons.note([job(**waiting, reasons=[{"code": "capacity", "sentence": "No CPU is free."}])])
    reasons.note([job()])
    row = shown(results.waits_table([job()], reasons))
    assert "No CPU is free." in row
    assert "Not looked at yet." not in row


def test_the_live_table_shows_state_node_progress_loss_and_wait_on_80_columns():
    jobs = [job(name="digits h256 lr0.02"), job(id=2, state="running", progress=0.5, priority=10)]
    table = shown(following.progress_table(jobs), width=80)
    for text in ("1 of 2 runs are over", "completed", "running", "background", "cpu-1", "━", "0.100", "2.5 s"):
        assert text in table


class Left:
    """Answers with these files as what a job has left."""

    def __init__(self, state: str = "kept", **files: bytes) -> None:
        self._state = state
        self._files = files

    def fetch_outputs(self, _job: following.Job, folder: Path, _seconds: float) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self._files.items():
            (folder / f"{name}.npz").write_bytes(content)
        return self._state


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, float]:
    """A model of the example's, and what its training said that it is worth."""
    folder = tmp_path_factory.mktemp("trained")
    command = [sys.executable, str(sweep.SCRIPT), "--hidden", "8", "--epochs", "2"]
    subprocess.run(command, cwd=folder, env={"PATH": ""}, check=True, capture_output=True, timeout=120)
    left = folder / "digits-run" / "outputs"
    return (left / "model.npz").read_bytes(), json.loads((left / "result.json").read_text())["accuracy"]


def test_the_best_model_is_worth_here_what_its_training_said(tmp_path, trained):
    model, accuracy = trained
    best = job(metrics={"accuracy": accuracy})
    found = best_model.fetch_and_score(Left(model=model), best, tmp_path / "model")  # type: ignore[arg-type]
    assert found.shortcomings() == []
    line, where = found.told(12).splitlines()
    told = f"its model.npz was fetched ({len(model) / 1000:.0f} kB, verified) and scores {accuracy:.4f} on the held-out"
    assert line.startswith(f"Best of 12: digits, accuracy {accuracy:.4f}; {told}")
    assert where.endswith(str(tmp_path / "model" / "model.npz"))


def test_a_model_that_is_worth_something_else_here_is_no_success(tmp_path, trained):
    model, accuracy = trained
    best = job(metrics={"accuracy": accuracy + 0.1})
    found = best_model.fetch_and_score(Left(model=model), best, tmp_path / "model")  # type: ignore[arg-type]
    [complaint] = found.shortcomings()
    assert complaint.startswith(f"The model of job 1 scores {accuracy:.4f} here; the job reported")


@pytest.mark.parametrize(
    ("left", "complaint"),
    [
        (Left("lost"), r"Job 1 \(digits\) has left no model.npz: its outputs are lost"),
        (Left(other=b"x"), "has left no model.npz: its outputs are kept"),
        (Left(model=b"no model"), "could not be scored: "),
    ],
)
def test_without_a_model_there_is_no_success_whatever_an_earlier_run_has_left(tmp_path, left, complaint):
    (tmp_path / "model.npz").write_bytes(b"of an earlier run")
    with pytest.raises(best_model.NoModelError, match=complaint):
        best_model.fetch_and_score(left, job(), tmp_path)
