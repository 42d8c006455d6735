"""What counts as a sign of life of a command: its words, and what its processes use."""

import os
import subprocess
import sys
import time

import pytest

from tests.waiting import wait_for
from workers.runtime.activity import Activity, Use, cpu_seconds_of, is_busy, use_of
from workers.runtime.idle_watchdog import IdleAction, IdleWatchdog


def test_each_word_is_a_sign_and_silence_is_none():
    watch = Activity(80, 0, seen="a")
    assert [watch.check(now, seen=seen, root=0) for now, seen in ((2, "a"), (4, "b"), (6, "b"), (30, "b"))] == [
        False, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("later", "busy"),
    [(Use(10.02, 0), False), (Use(10.2, 0), True), (Use(10.0, 1000), False), (Use(10.0, 200_000), True)],
)
def test_polling_in_a_loop_is_no_work(later, busy):
    assert is_busy(Use(10.0, 0), later, seconds=2) == busy


def test_the_work_of_all_processes_below_counts_also_of_those_that_ended():
    script = "import subprocess, sys, time; subprocess.run([sys.executable, '-c', 'sum(range(10**7))']); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", script])
    try:
        wait_for(lambda: use_of(os.getpid()).cpu_seconds > 0.1, 30)
        assert cpu_seconds_of(os.getpid()) > 0.1
    finally:
        child.kill()
        child.wait()


def test_who_follows_a_silent_command_after_us_goes_on_with_the_same_clock(tmp_path):
    kept = tmp_path / "sign"
    kept.touch()
    long_ago = time.time() - 700
    os.utime(kept, (long_ago, long_ago))
    assert IdleWatchdog(600, 50.0, seen=(), kept=kept).check(51.0, seen=(), busy=False) == IdleAction.ACT


def test_a_sign_of_life_is_kept_for_them(tmp_path):
    watch = IdleWatchdog(600, 0.0, seen="a", kept=tmp_path / "sign")
    watch.check(100.0, seen="b", busy=False)
    assert (tmp_path / "sign").exists()
