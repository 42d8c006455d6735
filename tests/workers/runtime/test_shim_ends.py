"""How a command ended, as its shim writes it down."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workers.runtime.shim.processes import oom_kills
from workers.runtime.shim.supervisor import Supervisor


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_an_exit_code_is_reported_as_it_is(start, code):
    outcome = start.sh(f"exit {code}").outcome()
    assert ("exited", code) == (outcome.reason, outcome.exit_code)


@pytest.mark.parametrize(("name", "number"), [("KILL", 9), ("SEGV", 11), ("TERM", 15), ("INT", 2), ("PIPE", 13)])
def test_a_command_killed_by_a_signal_has_128_and_its_number(start, name, number):
    launched = start.sh(f"kill -{name} $$")
    outcome = launched.outcome()
    assert ("exited", 128 + number) == (outcome.reason, outcome.exit_code)
    assert launched.shim.status()["signal"] == number


def test_the_times_are_those_of_the_command(start):
    before = time.time()
    outcome = start.sh("sleep 0.3").outcome()
    assert before <= outcome.started_at <= time.time()
    assert 0.3 <= outcome.ended_at - outcome.started_at < 3


def test_a_running_command_has_a_status_that_names_it(start):
    launched = start("sleep", "60").started()
    status = launched.shim.status()
    assert (status["phase"], status["exit_code"], status["reason"]) == ("running", None, "")
    assert (launched.shim.pid, True) == (status["shim_pid"], status["pid"] > 0)


def test_a_command_that_does_not_exist_is_named_with_the_system_s_own_words(start):
    outcome = start("trainn.py").outcome()
    assert (outcome.reason, outcome.exit_code) == ("start_failed", None)
    assert outcome.message == "cannot start 'trainn.py': No such file or directory"


def test_a_file_that_is_not_executable_is_named(start, tmp_path):
    (tmp_path / "train.py").write_text("print(1)")
    outcome = start("./train.py", cwd=str(tmp_path)).outcome()
    assert outcome.message == "cannot start './train.py': Permission denied"


def test_a_script_without_a_first_line_is_refused_by_the_system(start, tmp_path):
    (tmp_path / "train").write_text("print(1)")
    (tmp_path / "train").chmod(0o700)
    assert start(str(tmp_path / "train")).outcome().message.endswith("Exec format error")


def test_a_script_whose_interpreter_is_missing_says_that_and_not_that_the_script_is(start, tmp_path):
    (tmp_path / "train").write_text("#!/usr/bin/python9\r\nprint(1)")
    (tmp_path / "train").chmod(0o700)
    message = start(str(tmp_path / "train")).outcome().message
    assert message.endswith("the interpreter named in its first line does not exist")


def test_a_working_directory_that_does_not_exist_is_named(start):
    outcome = start("true", cwd="/no/such/place").outcome()
    assert outcome.reason == "start_failed"
    assert outcome.message == "cannot enter working directory '/no/such/place': No such file or directory"


def test_a_working_directory_that_is_a_file_is_named(start):
    outcome = start("true", cwd="/etc/passwd").outcome()
    assert outcome.message == "cannot enter working directory '/etc/passwd': Not a directory"


def test_a_command_with_a_nul_character_fails_to_start_and_says_why(start):
    outcome = start("echo", "a\0b").outcome()
    assert (outcome.reason, outcome.message) == ("start_failed", "cannot start 'echo': embedded null byte")


def test_a_message_of_any_length_and_script_is_cut_to_what_a_status_holds(start):
    assert start("/" + "🚂" * 900).outcome().message.startswith("cannot start '/🚂🚂")


def test_an_empty_command_fails_to_start(start):
    assert start("").outcome().reason == "start_failed"


def test_the_command_is_looked_up_in_the_path_of_its_own_environment(start, tmp_path):
    (tmp_path / "mytool").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "mytool").chmod(0o700)
    launched = start("mytool", env={"PATH": f"/nowhere:/etc/passwd:{tmp_path}"})
    assert (launched.outcome().exit_code, launched.log) == (0, b"found\n")


def test_arguments_and_environment_arrive_unchanged_in_any_script(start):
    launched = start(
        "sh", "-c", 'printf "%s|%s" "$1" "$GREETING"', "sh", "año 日本 🚂\n'\"", env={"GREETING": "привет"}
    )
    launched.outcome()
    assert launched.log.decode() == "año 日本 🚂\n'\"|привет"


def test_the_environment_is_complete_and_nothing_is_added_but_the_mark(start):
    launched = start("/usr/bin/env", env={"ONLY": "this"})
    launched.outcome()
    names = {line.partition("=")[0] for line in launched.log.decode().splitlines()}
    assert names == {"ONLY", "PATH", "TAG", "TRAINYARD_SHIM_FOLDER"}


def test_a_command_starts_in_its_own_session_and_group_and_holds_no_file_of_the_shim(start):
    pid = start("sleep", "60").started().shim.status()["pid"]
    assert (os.getsid(pid), os.getpgid(pid)) == (pid, pid)
    files = {path.name: str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()}
    assert files.keys() == {"0", "1", "2"}
    assert files["0"] == "/dev/null"
    assert files["1"] == files["2"]


def test_no_signal_is_ignored_or_blocked_in_the_command(start):
    launched = start("grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status")
    launched.outcome()
    own_of_the_c_library = 1 << (32 - 1) | 1 << (33 - 1)  # left so by posix_spawn; no program can use them
    masks = [int(line.split()[1], 16) & ~own_of_the_c_library for line in launched.log.decode().splitlines()]
    assert masks == [0, 0]


def test_a_command_that_closes_its_output_runs_on_to_its_end(start):
    outcome = start.sh("exec >&- 2>&-; sleep 0.3; exit 4").outcome()
    assert outcome.exit_code == 4


def test_the_time_limit_ends_the_command(start):
    outcome = start("sleep", "60", max_runtime_seconds=0.2).outcome()
    assert (outcome.reason, outcome.exit_code) == ("timeout", 143)
    assert outcome.ended_at - outcome.started_at < 3


def test_a_command_that_ends_within_its_time_limit_is_left_alone(start):
    assert start.sh("sleep 0.1", max_runtime_seconds=30.0).outcome().reason == "exited"


def test_a_kill_counts_as_out_of_memory_only_if_the_system_killed_for_memory_meanwhile(start):
    folder = start("true").folder
    start.launched[0].outcome()
    supervisor = Supervisor(str(folder))
    assert [supervisor.own_end(code) for code in (-9, 137, 1)] == ["exited"] * 3
    supervisor.oom_kills_before = -1
    assert [supervisor.own_end(code) for code in (-9, 137, 1)] == ["out_of_memory", "out_of_memory", "exited"]


def test_the_system_counts_its_kills_for_memory():
    counted = [line for line in Path("/proc/vmstat").read_text().splitlines() if line.startswith("oom_kill ")]
    assert counted == [f"oom_kill {oom_kills()}"]


FULL_DISK = """
import os, sys, time
from pathlib import Path
from workers.runtime.process import Command, launch
from workers.runtime.shim.clock import boottime
script = "head -c 1000000 /dev/zero > fill; exit 5"
command = Command(("sh", "-c", script), sys.argv[1], dict(os.environ), 10**6, 1.0)
print(launch(Path(sys.argv[1]) / "attempt", command, lease_deadline=boottime() + 30).wait(10))
"""


FULL_BEFORE_THE_SHIM_HAS_NOTED_ITS_START = """
import os, sys
from workers.runtime.shim.folder import Status
status = Status(sys.argv[1])
os.system("head -c 1000000 /dev/zero > fill")
status.running(os.getpid(), 1.0)
status.ended({"exit_code": 5})
print(open("status.json").read())
"""


@pytest.fixture
def on_a_small_disk(tmp_path):
    """Run a Python script in a folder of 64 KB, which is also its first argument."""
    namespace = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if subprocess.run([*namespace, f"mount -t tmpfs none {tmp_path}"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount a small disk")

    def run(script):
        python = f"PYTHONPATH={Path.cwd()} exec {sys.executable} -c '{script}' {tmp_path}"
        mounted = f"mount -t tmpfs -o size=64k none {tmp_path} && cd {tmp_path} && {python}"
        return subprocess.run([*namespace, mounted], capture_output=True, text=True, check=False, timeout=30)

    return run


def test_the_end_is_recorded_also_when_the_command_has_filled_the_disk(on_a_small_disk):
    shown = on_a_small_disk(FULL_DISK)
    assert "exit_code=5" in shown.stdout, shown.stderr
    assert "No space left" in shown.stdout


def test_a_command_that_fills_the_disk_as_it_starts_hides_its_end_no_more_than_another(on_a_small_disk):
    shown = on_a_small_disk(FULL_BEFORE_THE_SHIM_HAS_NOTED_ITS_START)
    assert '"phase": "ended"' in shown.stdout, shown.stderr
    assert '"exit_code": 5' in shown.stdout
