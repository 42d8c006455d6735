"""The log: everything the command prints, up to the limit, and never a reason for it to wait."""

import signal
import time

from tests.workers.launching import ENDS_WITHIN
from workers.runtime.log_reader import Gap, LogReader
from workers.runtime.shim.log import Log

MB = 2**20


def read(launched):
    """The whole output as an agent reads it, bytes put together."""
    status = launched.shim.status()
    reader = LogReader(launched.folder)
    reader.end(status.get("log_bytes"), status.get("log_lost", ""))
    found: list[bytes | Gap] = [b""]
    while (part := reader.read_new()) is not None:
        if isinstance(part, bytes) and isinstance(found[-1], bytes):
            found[-1] += part
        else:
            found.append(part)
    return found


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
    launched = start.sh("yes trainyard | head -c 104857600; echo the end", log_limit_bytes=MB)
    assert launched.outcome().exit_code == 0
    assert time.monotonic() - began < 10
    [head, gap, tail] = read(launched)
    assert head == (b"trainyard\n" * MB)[: MB * 3 // 4]
    assert len(head) + gap.missing + len(tail) == 104857600 + len(b"the end\n")
    assert (gap.reason, tail.endswith(b"trainyard\nthe end\n")) == ("limit", True)
    assert MB // 8 <= len(tail) <= MB // 4


def test_a_line_without_end_is_cut_at_the_limit(start):
    launched = start.sh("head -c 3145728 /dev/zero", log_limit_bytes=MB)
    launched.outcome()
    [head, gap, tail] = read(launched)
    assert head + b"\0" * gap.missing + tail == b"\0" * 3145728


def test_output_of_exactly_the_limit_is_kept_whole_and_unmarked(start):
    launched = start.sh("head -c 1048576 /dev/zero", log_limit_bytes=MB)
    launched.outcome()
    assert read(launched) == [b"\0" * MB]


def test_a_command_that_removes_its_log_loses_only_what_was_in_it(start):
    launched = start.sh("echo lost; rm ../0/log; echo kept", log_limit_bytes=MB, cwd=str(start.home))
    launched.outcome()
    assert read(launched)[-1].endswith(b"kept\n")


def test_of_a_shim_that_was_killed_nobody_knows_what_it_had_not_written(start):
    launched = start.sh("echo one; sleep 60").prints(b"one\n")
    launched.shim._signal(signal.SIGKILL)
    launched.shim.wait(ENDS_WITHIN)
    status = launched.shim.status()
    reader = LogReader(launched.folder)
    reader.end(None if status["reason"] == "shim_lost" else status["log_bytes"])
    assert list(iter(reader.read_new, None)) == [b"one\n", Gap(None, "shim_killed")]


def test_the_last_words_before_the_end_are_not_lost(start):
    launched = start.python("import posix; posix.write(1, b'x' * 60000 + b'end'); posix._exit(1)")
    launched.outcome()
    assert launched.log.endswith(b"xend")


def test_a_grandchild_that_holds_the_output_open_does_not_hold_up_the_end(start):
    outcome = start.sh("sleep 61 & echo done").outcome()
    assert outcome.ended_at - outcome.started_at < 3


def test_a_log_that_cannot_be_written_does_not_stop_the_command_and_goes_on_when_it_can(start, tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "log").symlink_to("/dev/full")
    launched = start.sh("printf 123456; sleep 0.3; echo kept; exit 0")
    outcome = launched.outcome()
    assert (outcome.exit_code, outcome.message) == (0, "the log could not be written: No space left on device")
    assert [part for part in read(launched) if part] == [Gap(6, "disk_full"), b"kept\n"]


def test_what_was_said_before_the_command_is_the_beginning_of_its_log(tmp_path):
    (tmp_path / "log").write_bytes(b"made ready\n")
    log = Log(str(tmp_path), 1000)
    log.add(b"the command\n")
    assert (tmp_path / "log").read_bytes() == b"made ready\nthe command\n"
    assert (log.position, log.intact()) == (23, True)
