"""Suspending: every process of a command stands still where it is, and goes on from there."""

import signal
import time

import psutil

from tests.waiting import wait_for
from tests.workers.launching import Launched, adopted
from workers.runtime.shim.processes import stat_fields

TREE = "echo ready; (setsid sh -c 'while :; do sleep 0.05; done' &); sleep 61 & while :; do sleep 0.05; done"


def states(launched: Launched) -> set[str]:
    """Of its processes, the shim aside, in letters as /proc has them.

    Those that died while their parent stood still are left out, as are parents that wait in vfork for a stopped child.
    """
    found = set()
    for process in psutil.Process(launched.shim.pid).children(recursive=True):
        try:
            found.add(stat_fields(process.pid)[0])
        except OSError:
            continue
    return found - {"Z", "D"}


def stands_still(launched: Launched) -> bool:
    return states(launched) == {"T"}


def test_the_whole_tree_stands_still_also_what_left_the_session_and_goes_on(start):
    launched = start.sh(TREE).prints(b"ready")
    launched.shim.suspend()
    wait_for(lambda: stands_still(launched), message="the suspension")

    launched.shim.go_on()
    wait_for(lambda: "T" not in states(launched), message="the command to go on")


def test_what_somebody_else_wakes_is_stopped_again(start):
    launched = start.sh(TREE).prints(b"ready")
    launched.shim.suspend()
    wait_for(lambda: stands_still(launched), message="the suspension")

    for process in psutil.Process(launched.shim.pid).children(recursive=True):
        process.send_signal(signal.SIGCONT)
    wait_for(lambda: stands_still(launched), message="the suspension again")


def test_a_suspension_that_the_signal_did_not_reach_begins_by_the_file_alone(start):
    launched = start.sh(TREE).prints(b"ready")
    (launched.folder / "suspended").touch()

    wait_for(lambda: stands_still(launched), message="the suspension")


def test_the_clock_of_the_limit_stands_still_meanwhile(start):
    launched = start.sh("echo ready; sleep 61", max_runtime_seconds=2.0).prints(b"ready")
    launched.shim.suspend()
    wait_for(lambda: stands_still(launched), message="the suspension")
    began = time.monotonic()
    assert launched.shim.wait(2.5) is None

    launched.shim.go_on()
    outcome = launched.outcome()
    assert outcome.reason == "timeout"
    assert time.monotonic() - began < 10


def test_a_suspension_outlives_the_agent(start):
    launched = start.sh(TREE).prints(b"ready")
    launched.shim.suspend()
    wait_for(lambda: stands_still(launched), message="the suspension")

    other = adopted(launched.folder)
    assert other.shim.suspended
    other.shim.go_on()
    wait_for(lambda: "T" not in states(launched), message="the command to go on")
    assert not launched.shim.suspended


def test_a_stop_wakes_the_command_up_to_save_its_work_first(start):
    script = "trap 'echo saved; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    launched = start.sh(script).prints(b"ready")
    launched.shim.suspend()
    wait_for(lambda: stands_still(launched), message="the suspension")

    launched.shim.stop()
    outcome = launched.outcome()
    assert (outcome.reason, outcome.exit_code, launched.left()) == ("stopped", 3, [])
    assert b"saved" in launched.log


def test_a_suspended_command_is_killed_when_its_lease_runs_out(start):
    launched = start.sh(f"trap '' TERM; {TREE}", lease=60, lease_grace_seconds=0.2).prints(b"ready")
    launched.shim.suspend()
    wait_for(lambda: stands_still(launched), message="the suspension")

    launched.shim.renew(time.monotonic())
    assert launched.outcome().reason == "lost_lease"
    assert launched.left() == []


def test_a_suspension_of_a_command_that_has_ended_changes_nothing(start):
    launched = start("true")
    launched.outcome()
    launched.shim.suspend()
    launched.shim.go_on()
    assert launched.outcome().reason == "exited"
