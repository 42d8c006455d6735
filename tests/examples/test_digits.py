"""The training example, run as a user or a node would run it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from executors.node import job_environment
from local_stack.servers.roles import CHECKOUT

SCRIPT = CHECKOUT / "examples" / "digits" / "train.py"
EPOCHS = 16
# An epoch takes some milliseconds, so a signal from outside may find the run at its end: it comes with a report instead.
TOLD_TO_STOP_AT_EPOCH = """
import os, runpy, signal, sys, trainyard
report, last = trainyard.report, int(sys.argv.pop(1))
def told_to_stop(**values):
    report(**values)
    if values.get("epoch") == last:
        os.kill(os.getpid(), signal.SIGTERM)
trainyard.report = told_to_stop
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""
SMALL = ("--hidden", "16", "--epochs", str(EPOCHS))


def given_folders(base: Path) -> dict[str, str]:
    (base / "report.jsonl").touch()
    job_environment.lay_out(base / "python")
    folders = {f"TRAINYARD_{name}_DIR": str(base / name.lower()) for name in ("CHECKPOINT", "OUTPUT")}
    return {
        **os.environ,
        **folders,
        "TRAINYARD_REPORT": str(base / "report.jsonl"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(base / "python"),
    }


def start(base: Path, *around: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, *around, str(SCRIPT), *SMALL]
    return subprocess.Popen(command, env=given_folders(base), stdout=subprocess.DEVNULL)


def reports(base: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (base / "report.jsonl").read_text().splitlines()]


def result(base: Path) -> dict[str, float]:
    return json.loads((base / "output" / "result.json").read_text())


def test_an_interrupted_run_goes_on_from_its_checkpoint_to_the_same_result(tmp_path: Path):
    straight, interrupted = tmp_path / "straight", tmp_path / "interrupted"
    straight.mkdir()
    interrupted.mkdir()
    assert start(straight).wait(60) == 0
    assert start(interrupted, "-c", TOLD_TO_STOP_AT_EPOCH, "3").wait(60) == 143
    assert len(reports(interrupted)) == 3
    assert start(interrupted).wait(60) == 0
    assert [one["epoch"] for one in reports(interrupted)] == list(range(1, EPOCHS + 1))
    assert result(interrupted) == result(straight)


def test_a_run_without_trainyard_keeps_everything_beside_where_it_was_started(tmp_path: Path):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TRAINYARD_")}
    hide = "import runpy, sys; sys.modules['trainyard'] = None; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    run = subprocess.run(
        [sys.executable, "-c", hide, SCRIPT, *SMALL],
        cwd=tmp_path,
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "held-out accuracy 0.9" in run.stdout, run.stderr
    assert (tmp_path / "digits-run" / "outputs" / "model.npz").exists()
