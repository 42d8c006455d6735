"""What the agent holds of a running command: waiting, finding it again, and the end of a shim that was killed."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from tests.waiting import wait_for
from tests.workers.launching import adopted
from workers.runtime.process import Command, CommandResult, find_shim, launch
from workers.runtime.shim.clock import boottime

TREE = "(setsid sleep 61 &); sleep 62 & echo ready; sleep 63"
LAUNCHER = """
import pathlib, sys, time
from workers.runtime.process import Command, launch
from workers.runtime.shim.clock import boottime
folder, tag, lease = pathlib.Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
command = Command(("sh", "-c", "sleep 61 & echo ready; sleep 0.5; sleep 62"), "/", {"PATH": "/usr/bin:/bin", "TAG": tag}, 10**6, 1.0)
shim = launch(folder, command, lease_deadline=boottime() + lease)
while shim.status() is None:
    time.sleep(0.01)
print("launched", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def killed_launcher(folder, tag, *, lease):
    """A command whose agent was killed with SIGKILL right after it had started it."""
    argv = [sys.executable, "-c", LAUNCHER, str(folder), tag, str(lease)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == b"launched\n"
        agent.kill()
    command = adopted(folder, tag)
    try:
        yield command
    finally:
        command.shim.kill()


def test_a_wait_with_a_timeout_gives_up_in_time(start):
    launched = start("sleep", "60").started()
    began = time.monotonic()
    assert launched.shim.wait(0.2) is None
    assert 0.2 <= time.monotonic() - began < 2


def test_a_wait_of_no_time_only_looks(start):
    assert start("sleep", "60").shim.wait(0) is None


def test_a_wait_returns_as_soon_as_the_command_has_ended(start):
    outcome = start.sh("sleep 0.3").outcome()
    assert time.time() - outcome.ended_at < 1


def test_every_wait_gives_the_same_outcome(start):
    launched = start.sh("exit 3")
    found = []
    threads = [threading.Thread(target=lambda: found.append(launched.outcome())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert set(found) == {launched.outcome()}


def test_secrets_in_the_environment_are_for_their_owner_only(start):
    folder = start("sleep", "60").started().folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes["spec.json"] == modes["lease"] == modes["log"] == modes["status.json"] == 0o600


def test_the_shim_gets_nothing_of_the_agent_s_environment(start, monkeypatch):
    monkeypatch.setenv("TRAINYARD_SECRET_KEY", "do-not-tell")
    launched = start("sleep", "60").started()
    with open(f"/proc/{launched.shim.pid}/environ", "rb") as environment:  # noqa: PTH123  /proc has no pathlib
        assert b"do-not-tell" not in environment.read()


def test_what_an_earlier_command_left_in_the_folder_says_nothing_about_the_new_one(start, tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "stop").write_text("0")
    (tmp_path / "0" / "status.json").write_text('{"phase": "ended", "reason": "exited"}')
    launched = start("sleep", "60").started()
    assert launched.shim.status()["phase"] == "running"
    assert not (tmp_path / "0" / "stop").exists()


def test_a_killed_shim_takes_its_command_along(start):
    launched = start.sh(TREE).prints(b"ready")
    os.kill(launched.shim.pid, signal.SIGKILL)
    outcome = launched.outcome()
    assert (outcome.reason, outcome.exit_code) == ("shim_lost", None)
    assert launched.left() == []


def test_a_killed_shim_loses_orphans_that_hide_their_parents_too(start):
    launched = start.python(
        "import os,time\nfor _ in range(3):\n  if os.fork(): os._exit(0) if _ else time.sleep(60)\n  os.setsid()\n"
        "print('ready', flush=True)\ntime.sleep(60)"
    ).prints(b"ready")
    os.kill(launched.shim.pid, signal.SIGKILL)
    launched.outcome()
    assert launched.left() == []


def test_the_outcome_of_a_killed_shim_is_there_for_the_next_agent(start):
    launched = start("sleep", "60").started()
    os.kill(launched.shim.pid, signal.SIGKILL)
    outcome = launched.outcome()
    assert adopted(launched.folder).outcome() == outcome
    assert outcome.reason == "shim_lost"


def test_a_shim_that_cannot_work_says_why(start):
    outcome = start("true", log_limit_bytes="much").outcome()
    assert outcome.reason == "shim_lost"
    assert "TypeError" in outcome.message


def test_a_stranger_with_the_same_process_id_is_neither_waited_for_nor_hurt(start, tmp_path):
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        start("true").outcome()
        status = json.loads((tmp_path / "0" / "status.json").read_text())
        reused = {"phase": "running", "shim_pid": stranger.pid, "shim_start": 1, "pid": stranger.pid, "pid_start": 1}
        (tmp_path / "0" / "status.json").write_text(json.dumps(status | reused))
        command = adopted(tmp_path / "0")
        command.shim.stop()
        command.shim.kill()
        assert command.outcome().reason == "shim_lost"
        assert stranger.poll() is None
        stranger.kill()


def test_a_new_agent_follows_the_command_of_a_killed_one(tmp_path, request):
    with killed_launcher(tmp_path, request.node.name, lease=60) as command:
        assert command.shim.wait(0.05) is None
        command.shim.stop()
        assert command.outcome().reason == "stopped"
        assert command.left() == []


def test_the_command_of_a_killed_agent_lives_until_its_lease_runs_out(tmp_path, request):
    with killed_launcher(tmp_path, request.node.name, lease=0.8) as command:
        assert len(command.left()) == 3
        wait_for(lambda: not command.left(), message="the end of the lease")
        assert command.outcome().reason == "lost_lease"


def test_a_new_agent_may_renew_the_lease(tmp_path, request):
    with killed_launcher(tmp_path, request.node.name, lease=1) as command:
        command.shim.renew(boottime() + 60)
        assert command.shim.wait(1.5) is None


def test_a_command_that_ended_without_an_agent_is_still_reported(start):
    launched = start.sh("exit 9")
    outcome = launched.outcome()
    assert adopted(launched.folder).outcome() == outcome


@pytest.mark.parametrize("content", [None, "", "[1]", "{}", '{"phase": "run'], ids=str)
def test_a_folder_without_a_usable_status_cannot_be_adopted(tmp_path, content):
    if content is not None:
        (tmp_path / "status.json").write_text(content)
    assert find_shim(tmp_path) is None


def test_a_folder_that_does_not_exist_cannot_be_adopted(tmp_path):
    assert find_shim(tmp_path / "nothing") is None


def test_an_outcome_is_read_from_a_status():
    status = {"phase": "ended", "reason": "exited", "exit_code": 0, "message": "", "started_at": 1.0, "ended_at": 2.0}
    assert CommandResult.from_status({**status, "more": 1}) == CommandResult("exited", 0, "", 1.0, 2.0)


def test_sigterm_is_blocked_only_while_a_shim_is_started(tmp_path):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    command = Command(("true",), "/", {"PATH": os.environ["PATH"]}, 1000, 1.0)
    launch(tmp_path, command, lease_deadline=boottime() + 60).wait(10)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def test_waiting_works_without_process_descriptors(start, monkeypatch):
    """Old kernels and sandboxes have none."""
    monkeypatch.delattr(os, "pidfd_open")
    launched = start.sh("sleep 0.2; exit 4").started()
    assert launched.shim.wait(0.05) is None
    assert launched.outcome().exit_code == 4


def test_many_commands_at_once(start):
    launched = [start.sh(f"exit {code}") for code in range(20)]
    assert [each.outcome().exit_code for each in launched] == list(range(20))
