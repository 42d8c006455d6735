"""The log: everything the command prints, up to the limit, and never a reason for it to wait."""

import time

import pytest

MB = 2**20
MARKER = b"[trainyard] log limit of 1 MB reached; the rest is dropped\n"


def test_output_and_errors_arrive_in_order_in_one_log(start):
    launched = start.sh("echo one; echo two >&2; echo three")
    launched.outcome()
    assert launched.log == b"one\ntwo\nthree\n"


def test_binary_output_is_kept_as_it_is(start):
    launched = start.python("import posix; posix.write(1, bytes(range(256)) * 4)")
    launched.outcome()
    assert launched.log == bytes(range(256)) * 4


def test_a_hundred_megabytes_stay_within_the_limit_and_do_not_hold_up_the_command(start):
    began = time.monotonic()
    launched = start.sh("yes trainyard | head -c 104857600", log_limit_bytes=MB)
    assert launched.outcome().exit_code == 0
    assert time.monotonic() - began < 5
    assert launched.log == (b"trainyard\n" * MB)[:MB] + b"\n" + MARKER


def test_a_line_without_end_is_cut_at_the_limit(start):
    launched = start.sh("head -c 3145728 /dev/zero", log_limit_bytes=MB)
    launched.outcome()
    assert launched.log == b"\0" * MB + b"\n" + MARKER


def test_output_of_exactly_the_limit_is_kept_whole_and_unmarked(start):
    launched = start.sh("head -c 1048576 /dev/zero", log_limit_bytes=MB)
    launched.outcome()
    assert launched.log == b"\0" * MB


@pytest.mark.parametrize("first", ["12345678", r"1234567\n"])
@pytest.mark.parametrize("pause", ["", "sleep 0.2;"], ids=["one read", "two reads"])
def test_the_marker_has_a_line_of_its_own(start, first, pause):
    launched = start.sh(f"printf '{first}'; {pause} echo dropped", log_limit_bytes=8)
    launched.outcome()
    assert launched.log.splitlines()[1].startswith(b"[trainyard] log limit")


def test_the_last_words_before_the_end_are_not_lost(start):
    launched = start.python("import posix; posix.write(1, b'x' * 60000 + b'end'); posix._exit(1)")
    launched.outcome()
    assert launched.log.endswith(b"xend")


def test_a_grandchild_that_holds_the_output_open_does_not_hold_up_the_end(start):
    outcome = start.sh("sleep 61 & echo done").outcome()
    assert outcome.ended_at - outcome.started_at < 3


def test_a_log_that_cannot_be_written_does_not_stop_the_command(start, tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "log").symlink_to("/dev/full")
    outcome = start.sh("head -c 1000000 /dev/zero; exit 0").outcome()
    assert outcome.exit_code == 0
    assert outcome.message == "the log could not be written: No space left on device"
