"""A process beside a command that runs: where it is, how it ends, and that nothing of it stays."""

import json
import os
import select
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.workers.runtime.test_walls import as_root
from tests.workers.yard import Yard, said
from workers.runtime.beside.launch import Asked, launch
from workers.runtime.shim.processes import stat_fields

SLEEP = ("sh", "-c", "echo ready; sleep 60")


def output(companion, fd=None):
    """All that it writes, until it has ended."""
    found, give_up = b"", time.monotonic() + 15
    while time.monotonic() < give_up:
        if select.select([fd or companion.stdout], [], [], 0.2)[0]:
            try:
                piece = os.read(fd or companion.stdout, 65536)
            except OSError:
                return found
            if not piece:
                return found
            found += piece
    raise AssertionError(f"does not end: {found!r}")


def result(companion):
    assert select.select([companion.result], [], [], 15)[0], "no word of its end"
    said = json.loads(os.read(companion.result, 4096))
    return said["exit_code"], said["message"]


def beside(folder, *argv, env=None, **more):
    return launch(folder, Asked(argv, env or {}, **more))


def test_it_has_the_environment_the_folder_and_the_cores_of_the_command(start, tmp_path):
    launched = start(*SLEEP, env={"COLOUR": "green"}, cwd=str(tmp_path), cores=(0,)).prints(b"ready")
    show = "import os; print(os.environ['COLOUR'], os.environ['MORE'], os.getcwd(), os.sched_getaffinity(0))"
    one = beside(launched.folder, sys.executable, "-c", show, env={"MORE": "here"})
    assert output(one).decode().split(" ", 3) == ["green", "here", str(tmp_path), "{0}\n"]
    assert result(one) == (0, "")
    one.close()
    assert launched.shim.wait(0) is None


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("sh", "-c", "exit 3"), 3, ""),
        (("sh", "-c", "kill -9 $$"), 137, ""),
        (("no-such-program",), 127, "cannot start 'no-such-program': No such file or directory"),
        (("/etc",), 126, "cannot start '/etc': Permission denied"),
    ],
)
def test_its_end_is_told_as_a_shell_would(start, argv, code, words):
    launched = start(*SLEEP).prints(b"ready")
    one = beside(launched.folder, *argv)
    assert result(one) == (code, words)
    one.close()


def test_of_a_command_that_has_ended_there_is_a_sentence(start, tmp_path):
    launched = start(*SLEEP).prints(b"ready")
    (launched.folder / "spec.json").write_text("{")
    one = beside(launched.folder, "true")
    code, words = result(one)
    assert code == 126
    assert "cannot read what the job is" in words
    one.close()


HIDES = "trap '' HUP TERM; setsid sh -c \"trap '' HUP; sleep 60\" & echo here; sleep 60; sleep 60"


@pytest.mark.parametrize("end", ["let_go", "kill"])
def test_whatever_it_started_ends_with_it(start, end):
    launched = start(*SLEEP).prints(b"ready")
    own = len(launched.left())
    one = beside(launched.folder, "sh", "-c", HIDES)
    wait_for(lambda: len(launched.left()) >= own + 3, message="all of it to run")
    getattr(one, end)()
    assert one.wait(10)
    assert len(launched.left()) == own
    one.close()


def test_what_it_leaves_in_the_background_ends_as_it_ends(start):
    launched = start(*SLEEP).prints(b"ready")
    own = len(launched.left())
    one = beside(launched.folder, "sh", "-c", "setsid sleep 60 & exit 4")
    assert result(one)[0] == 4
    assert one.wait(10)
    assert len(launched.left()) == own
    one.close()


def test_a_terminal_has_a_size_and_is_the_one_that_controls_it(start):
    launched = start(*SLEEP).prints(b"ready")
    one = beside(
        launched.folder, "sh", "-c", "stty size; read line; stty size; exec sleep 60", tty=True, rows=33, columns=101
    )
    seen = b""
    while b"33 101" not in seen:
        assert select.select([one.stdout], [], [], 10)[0], seen
        seen += os.read(one.stdout, 4096)
    one.resize(40, 120)
    os.write(one.stdin, b"\n")
    while b"40 120" not in seen:
        assert select.select([one.stdout], [], [], 10)[0], seen
        seen += os.read(one.stdout, 4096)
    os.write(one.stdin, b"\x03")
    assert result(one)[0] == 128 + signal.SIGINT
    os.close(one.stdin)
    one.close()


def test_a_shell_is_the_job_s_own_where_it_has_one(start):
    launched = start(*SLEEP, env={"SHELL": "/usr/sbin/nologin"}).prints(b"ready")
    one = beside(launched.folder)
    os.write(one.stdin, b"echo $0\n")
    os.close(one.stdin)
    assert output(one).strip() in (b"/bin/bash", b"/bin/sh")
    one.close()


@as_root
def test_behind_walls_it_is_the_job_s_user_and_sees_what_the_job_sees(tmp_path):
    yard = Yard(tmp_path / "home")
    try:
        shim = yard.start("sh", "-c", "echo mine > /tmp/secret; echo ready; sleep 60")
        wait_for(lambda: (shim.folder / "log").exists() and b"ready" in (shim.folder / "log").read_bytes())
        status = shim.status()
        assert status is not None
        pid = status["pid"]
        one = beside(
            shim.folder,
            "sh",
            "-c",
            "cat /tmp/secret; id -u; cat /proc/self/status | grep NoNewPrivs; readlink /proc/self/ns/ipc; ls "
            + str(yard.home / "nodes"),
        )
        mine, uid, privileges, namespace, *_ = output(one).decode().splitlines()
        assert mine == ("mine" if yard.walls.private else "")
        assert int(uid) == Path(f"/proc/{pid}").stat().st_uid
        assert int(uid) > 0
        assert privileges.split()[1] == "1"
        assert namespace == str(Path(f"/proc/{pid}/ns/ipc").readlink())
        assert stat_fields(pid)
        one.close()
    finally:
        yard.close()


ENTERED = (
    "id -u; cat /proc/[0-9]*/comm; ls {home}/jobs; grep -E 'CapEff|NoNewPrivs' /proc/self/status; touch /tmp/beside"
)


@as_root
@pytest.mark.parametrize("choice", ["yes", "no"])
def test_it_sees_the_processes_that_the_command_sees(build, choice):
    yard = build(choice=choice)
    shim = yard.start("sh", "-c", "while ! [ -e /tmp/beside ]; do sleep 0.05; done; echo seen")
    wait_for(shim.status)
    one = beside(shim.folder, "sh", "-c", ENTERED.format(home=yard.home))
    user, *rest = output(one).decode().split("\n")
    assert int(user) == yard.walls.user_of(7).uid
    assert (len(rest) < 12, "7" in rest) == (choice == "yes", True)
    assert "CapEff:\t0000000000000000" in rest
    assert "NoNewPrivs:\t1" in rest
    assert yard.ended(shim)[1] == "seen\n"
    one.close()


@as_root
@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("sh", "-c", "exit 3"), 3, ""),
        (("sh", "-c", "kill -9 $$"), 137, ""),
        (("sh", "-c", "kill -15 $$"), 143, ""),
        (("no-such-program",), 127, "cannot start 'no-such-program': No such file or directory"),
    ],
)
def test_where_the_command_has_a_view_of_its_own_its_end_is_told_as_well(build, argv, code, words):
    shim = build(choice="yes").start("sleep", "60")
    wait_for(shim.status)
    one = beside(shim.folder, *argv)
    assert result(one) == (code, words)
    one.close()


@as_root
def test_a_signal_reaches_it_among_the_processes_of_the_command(build):
    shim = build(choice="yes").start("sleep", "60")
    wait_for(shim.status)
    one = beside(shim.folder, "sh", "-c", "trap 'echo heard; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    assert select.select([one.stdout], [], [], 10)[0]
    one.signal(signal.SIGTERM)
    assert b"heard" in output(one)
    assert result(one) == (5, "")
    one.close()


@as_root
def test_what_is_among_the_processes_of_the_command_ends_with_it(build):
    shim = build(choice="yes").start("sleep", "60")
    wait_for(shim.status)
    one = beside(shim.folder, "sh", "-c", "echo up; sleep 60")
    assert select.select([one.stdout], [], [], 10)[0]
    shim.stop(0)
    assert result(one)[0] == 137
    shim.wait(10)
    one.close()


@as_root
def test_a_terminal_among_the_processes_of_the_command_has_job_control(build):
    shim = build(choice="yes").start("sleep", "60")
    wait_for(shim.status)
    one = beside(shim.folder, "bash", "--norc", "-i", env={"PS1": "> "}, tty=True)
    os.write(one.stdin, b"sh -c 'echo up $((40+1)); exec sleep 60'\n")  # who says so is the one in front by then
    seen = b""
    while b"up 41" not in seen:
        assert select.select([one.stdout], [], [], 10)[0], seen
        seen += os.read(one.stdout, 4096)
    os.write(one.stdin, b"\x03echo again $((40+2))\nexit 6\n")
    seen += output(one)
    assert b"again 42" in seen
    assert b"no job control" not in seen
    assert result(one)[0] == 6
    one.close()


@as_root
def test_what_an_attempt_has_in_its_way_is_not_run_with_the_agents_rights(build):
    """Its variables may name programs of its own: only its own user ever runs them."""
    yard = build()
    tool = "mkdir ~/bin; printf '#!/bin/sh\\nid -u' > ~/bin/tool; chmod +x ~/bin/tool; echo ready; sleep 60"
    shim = yard.start("sh", "-c", tool, path=str(yard.home / "jobs/7/home/bin"))
    wait_for(lambda: "ready" in said(shim))
    one = beside(shim.folder, "tool")
    assert int(output(one)) == yard.walls.user_of(7).uid
    one.close()
