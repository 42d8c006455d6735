"""Stopping: SIGTERM, the grace to save work, SIGKILL for the whole tree."""

import os
import signal
import time

import pytest

from tests.waiting import wait_for
from workers.runtime.shim.processes import stat_fields

IGNORES_TERM = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
# The signal may come before `ready` is all written, and a buffered writer takes no second call.
SAVES_FIRST = "import os,signal,sys,time\ndef save(*_): time.sleep(0.4); os.write(1, b'saved\\n'); sys.exit(0)\n"
SAVES_FIRST += "signal.signal(signal.SIGTERM, save)\nos.write(1, b'ready\\n')\ntime.sleep(60)"


def test_a_stopped_command_may_save_its_work_first(start):
    launched = start.python(SAVES_FIRST).prints(b"ready")
    launched.shim.stop()
    outcome = launched.outcome()
    assert (outcome.reason, outcome.exit_code) == ("stopped", 0)
    assert launched.log == b"ready\nsaved\n"


def test_what_a_shell_started_keeps_the_grace_after_the_shell_has_died(start):
    """`sh -c 'python train.py; ...'`: the shell dies of SIGTERM at once, the training still writes its checkpoint."""
    launched = start("sh", "-c", 'python3 -I -S -c "$1"; true', "sh", SAVES_FIRST).prints(b"ready")
    launched.shim.stop()
    assert launched.outcome().exit_code == 143
    assert b"saved" in launched.log


@pytest.mark.parametrize("command", [["sleep", "60"], ["sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done"]])  # fmt: skip
def test_who_ends_all_processes_of_a_batch_job_has_stopped_the_command(start, command):
    """Slurm sends SIGTERM to each process of a job that is cancelled, in no certain order: also to the command before its shim."""
    for _ in range(5):
        launched = start(*command)
        wait_for(lambda: (launched.shim.status() or {}).get("phase") == "running", 10, "the command")  # noqa: B023
        if command[0] == "sh":
            launched.prints(b"ready")
        os.kill(launched.shim.pid, signal.SIGSTOP)  # it is not to end before its own signal
        os.kill(launched.shim.status()["pid"], signal.SIGTERM)
        os.kill(launched.shim.pid, signal.SIGTERM)
        os.kill(launched.shim.pid, signal.SIGCONT)
        assert launched.outcome().reason == "stopped"


def test_a_command_that_kills_itself_was_not_stopped(start):
    assert start.sh("kill -TERM $$").outcome().reason == "exited"


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(start):
    launched = start.sh(IGNORES_TERM, grace_seconds=0.5).prints(b"ready")
    began = time.monotonic()
    launched.shim.stop()
    assert launched.outcome().exit_code == 137
    assert 0.5 <= time.monotonic() - began < 3
    assert launched.left() == []


def test_a_stop_may_bring_its_own_grace(start):
    launched = start.sh(IGNORES_TERM, grace_seconds=60.0).prints(b"ready")
    launched.shim.stop(grace_seconds=0.2)
    assert launched.outcome().reason == "stopped"


def test_a_second_stop_may_shorten_the_grace_of_the_first(start):
    launched = start.sh(IGNORES_TERM, grace_seconds=60.0).prints(b"ready")
    launched.shim.stop()
    launched.shim.stop(grace_seconds=0)
    assert launched.outcome().exit_code == 137


def test_stopping_twice_sends_one_sigterm(start):
    script = "trap 'echo term; n=$((n+1))' TERM; echo ready; while [ ${n:-0} -lt 2 ]; do sleep 0.05; done"
    launched = start.sh(script, grace_seconds=0.6).prints(b"ready")
    launched.shim.stop()
    launched.prints(b"term").shim.stop()
    assert launched.outcome().exit_code == 137
    assert launched.log.count(b"term") == 1


def test_stopping_after_the_end_changes_nothing(start):
    launched = start("true")
    launched.outcome()
    launched.shim.stop()
    launched.shim.kill()
    assert launched.outcome().reason == "exited"


def test_a_stop_right_after_the_launch_is_not_lost(start):
    """While Python starts, the shim has no handler yet: the launcher's blocked signal waits for it."""
    launched = [start("sleep", "60") for _ in range(5)]
    for each in launched:
        each.shim.stop()
    assert {each.outcome().reason for each in launched} == {"stopped"}
    assert [each.left() for each in launched] == [[]] * 5


def test_a_suspended_command_gets_the_sigterm_too(start):
    launched = start.sh("echo ready; kill -STOP $$; sleep 60").prints(b"ready")
    wait_for(lambda: stat_fields(launched.shim.status()["pid"])[0] == "T", message="the suspension")
    launched.shim.stop()
    assert launched.outcome().exit_code == 143


def test_the_time_limit_gives_the_grace_and_then_kills(start):
    outcome = start.sh(IGNORES_TERM, grace_seconds=0.3, max_runtime_seconds=0.3).outcome()
    assert (outcome.reason, outcome.exit_code) == ("timeout", 137)


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGHUP"])
def test_the_shim_takes_no_notice_of_a_terminal(start, signal_name):
    launched = start.sh("echo ready; sleep 0.5; exit 5").prints(b"ready")
    launched.shim._signal(getattr(__import__("signal"), signal_name))
    assert launched.outcome().exit_code == 5


TREES = {
    "children in the background": "sleep 61 & sleep 62 & echo ready; sleep 63",
    "a new session": "setsid sleep 61 & echo ready; sleep 62",
    "an orphan of the group": "(sleep 61 &); echo ready; sleep 62",
    "an orphan in a new session": "(setsid sh -c 'sleep 61 & sleep 62' &) ; echo ready; sleep 63",
    "deaf to SIGTERM": "trap '' TERM; (setsid sleep 61 &); sleep 62 & echo ready; sleep 63",
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES.keys())
def test_a_stop_leaves_no_process_of_the_tree(start, tree):
    launched = start.sh(tree, grace_seconds=0.3).prints(b"ready")
    launched.shim.stop()
    launched.outcome()
    assert launched.left() == []


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES.keys())
def test_a_kill_leaves_no_process_of_the_tree(start, tree):
    launched = start.sh(tree).prints(b"ready")
    launched.shim.kill()
    assert launched.outcome().reason == "shim_lost"
    assert launched.left() == []


@pytest.mark.parametrize("tree", [f"{tree} & exit 7" for tree in TREES.values()], ids=TREES.keys())
def test_nothing_outlives_a_command_that_ends_by_itself(start, tree):
    launched = start.sh(tree)
    assert launched.outcome().exit_code == 7
    assert launched.left() == []


def test_a_daemon_in_a_new_session_is_told_before_it_is_killed(start):
    daemon = "setsid sh -c 'trap \"echo told; exit\" TERM; echo ready; while :; do sleep 0.05; done' & sleep 60"
    launched = start.sh(daemon).prints(b"ready")
    launched.shim.stop()
    launched.outcome()
    assert b"told" in launched.log


def test_a_command_that_forks_without_end_is_killed(start):
    bomb = "import os,time\nfor _ in range(5):\n  if os.fork() == 0: os.setsid()\n  if os.fork() == 0: break\ntime.sleep(60)"
    launched = start.python(f"print('ready', flush=True)\n{bomb}", grace_seconds=0.0).prints(b"ready")
    launched.shim.stop()
    launched.outcome()
    assert launched.left() == []


def test_a_daemon_that_forked_twice_and_closed_its_streams_does_not_outlive_the_stop(start):
    """As daemon(3) does it: nothing ties it to the command any more, neither parent, session, terminal nor pipe."""
    daemon = (
        "import os,sys,time\n"
        "if os.fork() == 0:\n"
        "  os.setsid()\n"
        "  if os.fork(): os._exit(0)\n"
        "  os.chdir('/')\n"
        "  os.environ.clear()\n"
        "  for fd in range(3): os.close(fd)\n"
        "  os.execve('/bin/sleep', ['sleep', '6161'], {'TAG': os.environ.get('TAG', sys.argv[1])})\n"
        "os.wait(); print('ready', flush=True); time.sleep(60)"
    )
    launched = start("sh", "-c", 'exec python3 -I -S -c "$1" "$TAG"', "sh", daemon).prints(b"ready")
    wait_for(lambda: any("6161" in line for line in launched.left()), message="the daemon")
    launched.shim.stop()
    launched.outcome()
    assert launched.left() == []
