"""Reading a log that still grows, in the files that a shim leaves."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.runtime.log_reader import Gap, LogReader
from workers.runtime.shim.log import Log

LIMIT = 64


def all_of(reader):
    return list(iter(reader.read_new, None))


def test_only_what_is_new_is_read(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\n")
    reader = LogReader(tmp_path)
    assert (reader.read_new(), reader.read_new()) == (b"one\n", None)
    with log.open("ab") as file:
        file.write(b"two\n")
    assert (reader.read_new(), reader.position) == (b"two\n", 8)


def test_reading_goes_on_at_a_kept_position(tmp_path):
    (tmp_path / "log").write_bytes(b"0123456789")
    assert LogReader(tmp_path, position=7).read_new() == b"789"


def test_one_read_is_no_longer_than_it_may_be(tmp_path):
    (tmp_path / "log").write_bytes(b"abcde")
    reader = LogReader(tmp_path)
    assert [reader.read_new(2) for _ in range(4)] == [b"ab", b"cd", b"e", None]


def test_a_log_that_does_not_exist_yet_is_empty(tmp_path):
    reader = LogReader(tmp_path)
    assert reader.read_new() is None
    (tmp_path / "log").write_bytes(b"now")
    assert reader.read_new() == b"now"


@pytest.mark.timeout(5)
def test_a_log_that_was_replaced_by_a_pipe_a_folder_or_a_device_is_empty(tmp_path):
    for name in ("pipe", "folder", "device"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe" / "log")
    (tmp_path / "folder" / "log").mkdir()
    (tmp_path / "device" / "log").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "device", "nowhere"):
        assert LogReader(tmp_path / name).read_new() is None


def test_what_is_missing_between_two_files_is_known_to_the_byte(tmp_path):
    (tmp_path / "log").write_bytes(b"one\n")
    (tmp_path / "log.10.disk_full").write_bytes(b"two\n")
    (tmp_path / "log.x.y").write_bytes(b"not ours")
    assert all_of(LogReader(tmp_path)) == [b"one\n", Gap(6, "disk_full"), b"two\n"]


def test_beyond_the_limit_the_end_is_shown_when_the_command_has_ended(tmp_path):
    log = Log(str(tmp_path), LIMIT)
    log.add(b"a" * 48 + b"b" * 8 + b"c" * 8)
    reader = LogReader(tmp_path)
    assert all_of(reader) == [b"a" * 48, Gap(0, "held_back")]
    assert reader.read_new() is None
    log.add(b"d" * 8 + b"e" * 4)
    reader.end(log.position)
    assert all_of(reader) == [Gap(16, "limit"), b"d" * 8, b"e" * 4]


def test_output_of_exactly_the_limit_is_kept_whole(tmp_path):
    log = Log(str(tmp_path), LIMIT)
    log.add(b"x" * LIMIT)
    reader = LogReader(tmp_path)
    reader.end(log.position)
    assert b"".join(all_of(reader)) == b"x" * LIMIT


@pytest.mark.parametrize("how", ["remove", "truncate", "replace", "write into"])
def test_a_log_that_its_command_takes_away_is_begun_anew_and_the_loss_is_counted(tmp_path, how):
    log = Log(str(tmp_path), 1000)
    reader = LogReader(tmp_path)
    log.add(b"read\n")
    assert reader.read_new() == b"read\n"
    log.add(b"lost\n")
    {
        "remove": (tmp_path / "log").unlink,
        "truncate": lambda: os.truncate(tmp_path / "log", 0),
        "replace": lambda: ((tmp_path / "log").unlink(), (tmp_path / "log").symlink_to("/dev/zero")),
        "write into": lambda: os.truncate(tmp_path / "log", 5),
    }[how]()
    log.add(b"after\n")
    reader.end(log.position)
    assert all_of(reader) == [Gap(5, "removed"), b"after\n"]


def test_what_is_lost_at_the_end_is_counted_too(tmp_path):
    log = Log(str(tmp_path), 1000)
    log.add(b"one\n")
    reader = LogReader(tmp_path)
    reader.end(10, "disk_full")
    assert all_of(reader) == [b"one\n", Gap(6, "disk_full")]


def test_when_nobody_counted_the_end_may_be_missing(tmp_path):
    (tmp_path / "log").write_bytes(b"one\n")
    reader = LogReader(tmp_path)
    reader.end(None)
    assert all_of(reader) == [b"one\n", Gap(None, "shim_killed")]


def test_a_command_that_removes_its_log_without_end_does_not_fill_the_folder(tmp_path):
    log = Log(str(tmp_path), 1000)
    for _ in range(200):
        log.add(b"x")
        os.truncate(log.path, 0)
    assert len(list(tmp_path.iterdir())) <= 64
    assert (log.position, log.lost) == (200, "unwritable")


deeds = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=40), st.sampled_from(["read", "restart", "remove", "full", "room", "lose"])
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(deeds=deeds, limit=st.integers(8, 80))
def test_read_bytes_and_gaps_make_up_the_whole_output(deeds, limit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    log, reader, printed, found = Disk(str(folder), limit), LogReader(folder), b"", []
    told = False
    for deed in deeds:
        if isinstance(deed, bytes):
            log.add(deed)
            printed += deed
        elif deed == "read":
            part = reader.read_new(7)
            told = told or (isinstance(part, Gap) and part.missing == 0)
            found += [part] if part is not None else []
        elif deed == "restart":
            reader = LogReader(folder, reader.position, told_of_limit=told)
        elif deed == "remove":
            Path(log.path).unlink(missing_ok=True)
        else:
            log.full = deed == "full"
    reader.end(log.position, log.lost)
    assert put_together([*found, *all_of(reader)], printed) == printed
    assert sum(file.stat().st_size for file in folder.iterdir()) <= limit


class Disk(Log):
    """A log on a disk that may be full."""

    full = False

    def open(self, path):
        if self.full:
            raise OSError(28, "No space left on device")
        super().open(path)


def put_together(parts, printed):
    """What was read, with what is missing filled in from what was printed."""
    whole = b""
    for part in parts:
        whole += printed[len(whole) : len(whole) + (part.missing or 0)] if isinstance(part, Gap) else part
    return whole
