"""The package for training scripts: what `report` writes, and that it never gets in the way."""

import ast
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from trainyard import latest_checkpoint, report
from trainyard.ranks import RANKS

PACKAGE = Path(__file__).resolve().parents[2] / "trainyard"


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch) -> Path:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAINYARD_REPORT", str(tmp_path / "report.jsonl"))
    return tmp_path / "report.jsonl"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_call_is_a_line(path):
    report(progress=0.4, loss=1.2, step=100)
    report({"val/loss": 0.3}, phase="warm-up")
    report.checkpoint()
    assert lines(path) == [
        {"progress": 0.4, "loss": 1.2, "step": 100},
        {"val/loss": 0.3, "phase": "warm-up"},
        {"checkpoint": True},
    ]


def test_scalars_of_other_libraries_are_numbers_and_what_is_none_is_left_out(path):
    report(
        a=np.float32(0.5), b=np.int64(3), c=np.array([2.5]), d=Decimal("0.25"), e=np.bool_(True),
        f=np.zeros(3), g=object(), h=None, i=[1], j=1j,
    )  # fmt: skip
    assert lines(path) == [{"a": 0.5, "b": 3, "c": 2.5, "d": 0.25, "e": True}]


def test_what_json_has_no_number_for_is_written_so_that_any_reader_can_read_it(path):
    report(loss=math.nan, high=np.float64("inf"), low=-math.inf)
    assert lines(path) == [{"loss": "NaN", "high": "Infinity", "low": "-Infinity"}]


@pytest.mark.parametrize("said", [7, "loss", [1], {"loss": object()}], ids=["number", "text", "list", "object"])
def test_nonsense_is_no_reason_to_stop_training(path, said):
    report(said)
    assert not path.exists()


@pytest.mark.parametrize("value", ["", "/no/such/folder/report.jsonl"])
def test_where_nothing_can_be_written_nothing_happens(monkeypatch, value):
    monkeypatch.setenv("TRAINYARD_REPORT", value)
    report(loss=1)


def test_outside_of_trainyard_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.delenv("TRAINYARD_REPORT")
    monkeypatch.chdir(tmp_path)
    report(loss=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", RANKS)
def test_only_rank_0_speaks_unless_another_one_is_asked_to(monkeypatch, path, name):
    monkeypatch.setenv(name, "1")
    report(loss=1)
    report.checkpoint()
    assert not path.exists()
    report.from_any_rank(loss=2)
    monkeypatch.setenv(name, "0")
    report(loss=3)
    assert lines(path) == [{"loss": 2}, {"loss": 3}]


def test_lines_of_many_threads_and_processes_stay_whole(path):
    script = "from trainyard import report\nfor step in range(200): report(step=step, text='x' * 500)"
    processes = [subprocess.Popen([sys.executable, "-S", "-c", script], cwd=PACKAGE.parent) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda step: report(step=step, text="y" * 500), range(400)))
    assert [process.wait(60) for process in processes] == [0, 0]
    found = lines(path)
    assert len(found) == 800
    assert {line["text"] for line in found} == {"x" * 500, "y" * 500}


def test_it_brings_nothing_but_the_standard_library_and_runs_on_old_pythons():
    script = (
        "import sys, trainyard, trainyard.callbacks; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=PACKAGE.parent, env={}, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) - set(sys.stdlib_module_names) == {"__main__", "trainyard"}
    for file in [*PACKAGE.glob("*.py"), *PACKAGE.glob("callbacks/*.py"), PACKAGE / "calls" / "run.py"]:
        ast.parse(file.read_text(), feature_version=(3, 8))


def test_the_latest_checkpoint_is_the_newest_that_matches(monkeypatch, tmp_path):
    for name, at in (("a.ckpt", 300), ("b.ckpt", 200), ("c.log", 400)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    monkeypatch.setenv("TRAINYARD_CHECKPOINT_DIR", str(tmp_path))
    assert latest_checkpoint("*.ckpt") == str(tmp_path / "a.ckpt")
    assert latest_checkpoint("*.pt") is None
    monkeypatch.delenv("TRAINYARD_CHECKPOINT_DIR")
    assert latest_checkpoint() is None
