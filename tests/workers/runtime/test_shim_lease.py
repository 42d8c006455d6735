"""The dead man's switch: a command whose lease is not renewed is stopped by its shim, with no help from outside."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.runtime import process
from workers.runtime.shim.clock import boottime

MAIN = Path(process.__file__).parent / "shim" / "main.py"
SLEPT = (
    "unshare",
    "--time",
    "--boottime",
    "1000",
    "--fork",
)  # the clock as after a sleep of 1000 s; MONOTONIC as before


def test_a_command_ends_when_its_lease_runs_out(start):
    launched = start.sh("setsid sleep 61 & sleep 62", lease=0.5)
    outcome = launched.outcome()
    assert (outcome.reason, outcome.exit_code) == ("lost_lease", 143)
    assert launched.left() == []


def test_a_renewed_lease_keeps_the_command_alive(start):
    launched = start.sh("echo ready; sleep 1.2; exit 6", lease=0.8).prints(b"ready")
    launched.shim.renew(boottime() + 60)
    assert launched.outcome().exit_code == 6


def test_a_lease_is_renewed_on_a_full_disk_too(start, monkeypatch):
    launched = start.sh("echo ready; sleep 1.2; exit 6", lease=0.8).prints(b"ready")
    monkeypatch.setattr(process, "replace_file", no_room)

    launched.shim.renew(boottime() + 60)

    assert launched.outcome().exit_code == 6


def test_a_lease_that_cannot_be_renewed_runs_out(start, monkeypatch):
    launched = start.sh("echo ready; sleep 60", lease=0.8).prints(b"ready")
    monkeypatch.setattr(process, "replace_file", no_room)
    monkeypatch.setattr(process, "overwrite", no_room)

    launched.shim.renew(boottime() + 60)

    assert launched.outcome().reason == "lost_lease"


def no_room(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_command_deaf_to_sigterm_is_killed_after_the_grace_of_the_lease(start):
    launched = start.sh("trap '' TERM; while :; do sleep 0.05; done", lease=0.3, lease_grace_seconds=0.2)
    outcome = launched.outcome()
    assert (outcome.reason, outcome.exit_code) == ("lost_lease", 137)
    assert outcome.ended_at - outcome.started_at < 3


def test_the_grace_counts_from_the_end_of_the_lease_even_if_the_shim_was_stopped_then(start):
    """As on a machine that was paused: by now the job may run elsewhere."""
    script = "trap 'sleep 0.4; echo saved' TERM; echo ready; while :; do sleep 0.05; done"
    launched = start.sh(script, lease=1.5, lease_grace_seconds=0.9).prints(b"ready")

    os.kill(launched.shim.pid, signal.SIGSTOP)
    time.sleep(2.5)
    os.kill(launched.shim.pid, signal.SIGCONT)

    assert launched.outcome().exit_code == 137
    assert b"saved" not in launched.log


def test_a_lost_lease_ends_the_longer_grace_of_a_stop(start):
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    launched = start.sh(script, lease=0.5, grace_seconds=60.0, lease_grace_seconds=0.1).prints(b"ready")
    launched.shim.stop()
    outcome = launched.outcome()
    assert (outcome.reason, outcome.exit_code) == ("stopped", 137)


def test_a_command_whose_lease_is_over_already_is_not_started(start):
    launched = start.sh("echo started", lease=-1.0)
    outcome = launched.outcome()
    assert (outcome.reason, outcome.started_at, outcome.exit_code) == ("lost_lease", None, None)
    assert launched.log == b""


def test_a_lease_without_end_is_possible(start):
    assert start.sh("sleep 0.1", lease=float("inf")).outcome().reason == "exited"


def test_an_unreadable_lease_counts_as_lost_at_the_second_look(start):
    launched = {text: start("sleep", "60").started() for text in ("", "soon", "nan", None)}
    for text, each in launched.items():
        lease = each.folder / "lease"
        lease.unlink() if text is None else lease.write_text(text)
    outcomes = [each.outcome() for each in launched.values()]
    assert {outcome.reason for outcome in outcomes} == {"lost_lease"}
    assert all(1.8 <= outcome.ended_at - outcome.started_at < 4 for outcome in outcomes)


def clock_can_be_moved():
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run([*SLEPT, "true"], capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not clock_can_be_moved(), reason="needs a time namespace, which the kernel gives to root")
def test_a_lease_runs_out_while_the_machine_sleeps(start, tmp_path):
    launched = start("true")
    launched.outcome()
    for name, sleep in {"awake": (), "slept": SLEPT}.items():
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(launched.folder / "spec.json", folder)
        (folder / "lease").write_text(repr(boottime() + 500))
        subprocess.run([*sleep, sys.executable, "-I", "-S", str(MAIN), str(folder)], check=True, timeout=20)

    reasons = {name: json.loads((tmp_path / name / "status.json").read_text())["reason"] for name in ("awake", "slept")}
    assert reasons == {"awake": "exited", "slept": "lost_lease"}


def test_a_shim_that_counts_on_the_older_clock_gets_its_leases_on_that(start, monkeypatch):
    launched = start("sleep", "60").started()
    spec = json.loads((launched.folder / "spec.json").read_text())
    (launched.folder / "spec.json").write_text(json.dumps({**spec, "lease_clock": None}))
    monkeypatch.setattr(process, "boottime", lambda: time.monotonic() + 1000)  # it has slept so long since it started

    process.find_shim(launched.folder).renew(5000)

    assert float((launched.folder / "lease").read_text()) == pytest.approx(4000, abs=1)
