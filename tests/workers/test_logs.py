"""Reading a log that still grows."""

import os

import pytest

from workers.logs import LogReader


def test_only_what_is_new_is_read(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"one\n")
    reader = LogReader(log)
    assert (reader.read_new(), reader.read_new()) == (b"one\n", b"")
    with log.open("ab") as file:
        file.write(b"two\n")
    assert (reader.read_new(), reader.offset) == (b"two\n", 8)


def test_reading_goes_on_at_a_kept_offset(tmp_path):
    (tmp_path / "log").write_bytes(b"0123456789")
    assert LogReader(tmp_path / "log", offset=7).read_new() == b"789"


def test_one_read_is_no_longer_than_a_chunk(tmp_path):
    (tmp_path / "log").write_bytes(b"abcde")
    reader = LogReader(tmp_path / "log", chunk_bytes=2)
    assert [reader.read_new() for _ in range(4)] == [b"ab", b"cd", b"e", b""]


def test_a_log_that_does_not_exist_yet_is_empty(tmp_path):
    reader = LogReader(tmp_path / "log")
    assert reader.read_new() == b""
    (tmp_path / "log").write_bytes(b"now")
    assert reader.read_new() == b"now"


@pytest.mark.timeout(5)
def test_a_log_that_was_replaced_by_a_pipe_a_folder_or_a_device_is_empty(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "pipe" / "below"):
        assert LogReader(path).read_new() == b""
    (tmp_path / "endless").symlink_to("/dev/zero")
    assert LogReader(tmp_path / "endless").read_new() == b""
