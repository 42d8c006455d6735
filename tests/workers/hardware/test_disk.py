"""Room on the disk, and what folders take of it."""

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.hardware import disk
from workers.hardware.disk import Disk
from workers.runtime import disk_usage
from workers.runtime.disk_usage import DiskUsage
from workers.runtime.idle_watchdog import IdleAction, IdleWatchdog

MB = 2**20
LONG = 60.0


def test_a_disk_with_room_is_no_problem(tmp_path):
    assert Disk([tmp_path], 0).problem() == ""
    assert Disk([tmp_path], 0).free_mb() == pytest.approx(os.statvfs(tmp_path).f_bavail * 4096 / MB, rel=0.5)


def test_a_disk_below_its_reserve_says_so(tmp_path):
    words = Disk([tmp_path], 10**9).problem()
    assert words.startswith("The node's disk is full: ")
    assert words.endswith(" MB are left, its reserve is 1e+09 MB.")


def test_the_fullest_disk_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "writable_mb", lambda folder: {"a": 500, "b": 20}[folder.name])
    assert Disk([tmp_path / "a", tmp_path / "b"], 100).problem() == (
        "The node's disk is full: 20 MB are left, its reserve is 100 MB."
    )


def test_a_disk_that_takes_no_more_files_is_full(tmp_path, monkeypatch):
    numbers = dict.fromkeys(("f_bavail", "f_frsize", "f_files"), 10**6) | {"f_favail": 999}
    monkeypatch.setattr(os, "statvfs", lambda _: type("Found", (), numbers))
    assert disk.writable_mb(tmp_path) == 0
    numbers["f_files"] = 0  # a file system that does not count them
    assert disk.writable_mb(tmp_path) > 0


def test_a_folder_that_is_gone_has_no_room(tmp_path):
    assert disk.writable_mb(tmp_path / "nowhere") == 0


def test_what_was_full_a_moment_ago_is_remembered_for_a_while(tmp_path, monkeypatch):
    left, now = [20], [1000.0]
    monkeypatch.setattr(disk, "writable_mb", lambda _: left[0])
    monkeypatch.setattr("workers.hardware.disk.time.monotonic", lambda: now[0])
    watched = Disk([tmp_path], 100)
    assert watched.recent_problem()
    left[0] = 5000
    assert watched.problem() == ""
    assert "20 MB are left" in watched.recent_problem()
    now[0] += disk.RECENT_SECONDS
    assert watched.recent_problem() == ""


def test_files_count_with_what_they_take_on_the_disk(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "one").write_bytes(b"x" * 3 * MB)
    with (tmp_path / "hole").open("wb") as sparse:
        sparse.truncate(500 * MB)
    os.link(tmp_path / "deep" / "er" / "one", tmp_path / "again")
    (tmp_path / "link").symlink_to("/usr")
    assert 3 * MB <= DiskUsage([tmp_path]).walk(LONG) < 3.2 * MB


def test_all_folders_count_and_one_that_is_gone_is_empty(tmp_path):
    for name in ("outputs", "checkpoints"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * MB)
    use = DiskUsage([tmp_path / "outputs", tmp_path / "nowhere", tmp_path / "checkpoints"])
    assert 2 * MB <= use.walk(LONG) < 2.1 * MB


def test_a_walk_without_time_goes_on_where_it_was_and_starts_anew_after_its_end(tmp_path, monkeypatch):
    for number in range(10):
        (tmp_path / f"{number}").write_bytes(b"x" * 100_000)
    monkeypatch.setattr(disk_usage, "GLANCES", 4)
    ticks = iter(range(1000))
    monkeypatch.setattr("workers.runtime.disk_usage.time.monotonic", lambda: next(ticks))
    use = DiskUsage([tmp_path])
    found = [use.walk(1.5) for _ in range(4)]
    whole = found[2]
    assert 0 < found[0] < found[1] < whole
    assert found[3] == found[0]


def test_many_files_take_no_longer_than_they_may(tmp_path):
    for number in range(3000):
        (tmp_path / f"{number}").touch()
    use = DiskUsage([tmp_path])
    began = time.perf_counter()
    use.walk(0.001)
    assert time.perf_counter() - began < 0.5


def test_a_folder_that_vanishes_while_it_is_read_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "file").write_bytes(b"x")

    def gone(_):
        raise FileNotFoundError

    monkeypatch.setattr(disk_usage, "status_of", lambda _: None)
    assert DiskUsage([tmp_path]).walk(LONG) == 0
    monkeypatch.setattr(os, "scandir", gone)
    assert DiskUsage([tmp_path]).walk(LONG) == 0


def test_a_silent_command_is_first_warned_then_acted_upon_each_once():
    watch = IdleWatchdog(100, now=0)
    steps = {now: watch.check(now, seen=None, busy=False) for now in range(0, 200, 10)}
    assert {now: step for now, step in steps.items() if step} == {50: IdleAction.WARN, 100: IdleAction.ACT}


@pytest.mark.parametrize("sign", [{"seen": 1, "busy": False}, {"seen": None, "busy": True}], ids=["a word", "work"])
def test_each_sign_of_life_starts_the_time_anew(sign):
    watch = IdleWatchdog(100, now=0)
    assert watch.check(60, seen=None, busy=False) == IdleAction.WARN
    assert watch.check(99, **sign) is None
    assert watch.check(148, seen=sign["seen"], busy=False) is None
    assert watch.check(149, seen=sign["seen"], busy=False) == IdleAction.WARN
    assert watch.check(199, seen=sign["seen"], busy=False) == IdleAction.ACT


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 2), st.booleans()), max_size=20))
def test_nobody_is_acted_upon_without_so_long_a_silence(looks):
    watch, now, quiet_since, seen_before = IdleWatchdog(100, now=0.0), 0.0, 0.0, None
    for pause, seen, busy in looks:
        now += pause
        quiet_since = now if busy or seen != seen_before else quiet_since
        seen_before = seen if busy or seen != seen_before else seen_before
        if watch.check(now, seen=seen, busy=busy) == IdleAction.ACT:
            assert now - quiet_since >= 100


def test_a_limit_of_zero_watches_nothing():
    assert IdleWatchdog(0, now=0).check(10**9, seen=None, busy=False) is None
