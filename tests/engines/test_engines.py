"""`make engines` itself, with few and short runs; and what it says of runs that are not as they should be."""

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console

from tests.architecture import source
from tests.engines import __main__, outcome, prerequisites
from tests.engines.clusters import ran_on
from tests.engines.sweep import ASKED, runs
from tests.waiting import wait_for

MISSING = prerequisites.absent()
FOR_REAL = (
    pytest.mark.acceptance,
    pytest.mark.timeout(300),  # everything that there is, from nothing
    pytest.mark.skipif(bool(MISSING), reason=" ".join(MISSING)),
)


def for_real(test):
    for mark in FOR_REAL:
        test = mark(test)
    return test


@contextmanager
def program(output: Path, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """It runs; at the end nothing of it may run any more. What it starts is known by a variable."""
    name = uuid.uuid4().hex
    command = [sys.executable, "-u", "-m", "tests.engines", *words]
    with output.open("wb") as written:
        process = subprocess.Popen(
            command, stdout=written, stderr=written, cwd=source.ROOT, env={**os.environ, "STARTED_BY_TEST": name}
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        left = list(started_by(name))
        for one in left:
            one.kill()
    assert left == [], output.read_text()


def started_by(name: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if name.encode() in Path(f"/proc/{process.pid}/environ").read_bytes():
                yield process
        except OSError:
            continue


@for_real
def test_runs_complete_on_agents_in_kubernetes_and_in_slurm_and_nothing_stays(tmp_path):
    output = tmp_path / "output"
    with program(output, "--runs", "4", "--epochs", "1") as process:
        assert process.wait(280) == 0, output.read_text()
    shown = output.read_text()
    rows = re.findall(r"^digits \S+ \S+ +(\w+) +(\w+) +([\w-]+) +completed +0\.\d{4} +\d+\.\d", shown, re.MULTILINE)
    assert [asked for asked, _, _ in rows] == list(ASKED), shown
    assert {executor for _, executor, _ in rows} == {"agent", "kubernetes", "slurm"}, shown
    assert "Everything completed, and everything that was started is stopped." in shown


@for_real
def test_a_signal_stops_all_that_was_started(tmp_path):
    output = tmp_path / "output"
    with program(output) as process:
        wait_for(lambda: "Starting hpc" in output.read_text(), 120, "the platform to be up")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, output.read_text()
    assert "Stopped before the end" in output.read_text()


def job(number: int, **fields: Any) -> dict[str, Any]:
    base = {"id": number, "name": f"digits {number}", "state": "completed", "executor": "any", "node": "cpu-1",
            "metrics": {"accuracy": 0.9}, "reasons": [], "message": "", "run_seconds": 1.5}  # fmt: skip
    return {**base, **fields}


EVERYWHERE = [job(1), job(2, node="kube-n1"), job(3, node="hpc-n1")]


def test_good_outcomes_have_no_shortcomings():
    assert outcome.shortcomings(EVERYWHERE, 3) == []


@pytest.mark.parametrize(
    ("jobs", "complaint"),
    [
        (EVERYWHERE[:2], "3 runs were submitted, and the platform knows 2."),
        (EVERYWHERE[:2], "Nothing ran on slurm."),
        ([*EVERYWHERE[:2], job(3, node="hpc-n1", state="failed", message="exit code 3")], "is failed: exit code 3"),
        ([*EVERYWHERE[:2], job(3, node="hpc-n1", metrics={})], "Job 3 (digits 3) completed and told no accuracy."),
        ([*EVERYWHERE[:2], job(3, node="hpc-n1", executor="agent")], "Job 3 asked for agent and ran on hpc-n1."),
    ],
)
def test_what_is_not_as_it_should_be_is_named(jobs, complaint):
    assert any(complaint in found for found in outcome.shortcomings(jobs, 3))


def test_a_failure_is_told_with_the_ends_of_the_logs(tmp_path):
    (tmp_path / "slurm").mkdir()
    (tmp_path / "platform.log").write_text("".join(f"line {number} [ok]\n" for number in range(100)))
    (tmp_path / "slurm/slurmctld.log").write_text("fatal: no such partition\n")
    output = StringIO()
    __main__.tell(["Waited in vain."], tmp_path, (*__main__.OURS, *__main__.THEIRS), Console(file=output, width=80))
    told = output.getvalue()
    assert "line 99 [ok]" in told
    assert "line 9 [ok]" not in told
    assert "fatal: no such partition" in told
    assert f"Waited in vain.\nEverything is stopped; what it said lies in {tmp_path}" in told


def test_the_runs_ask_for_everybody_with_and_without_a_gpu():
    kinds = {(one["executor"], bool(one["resources"]["gpus"])) for one in runs("x", at_most=12, epochs=1)}
    assert kinds == {(executor, gpu) for executor in ASKED for gpu in (True, False)}


def test_a_node_says_who_runs_it():
    assert [ran_on(name) for name in ("cpu-1", "kube-n2", "hpc-n1")] == ["agent", "kubernetes", "slurm"]
