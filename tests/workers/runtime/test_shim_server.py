"""The process that forks shims: quick, replaceable, and gone with its agent."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.waiting import wait_for
from workers.runtime import process, shim_server
from workers.runtime.shim_server import ShimServer

AGENT = """
from workers.runtime.shim_server import start_server
print(start_server().pid, flush=True)
input()
"""


@pytest.fixture
def server():
    made = ShimServer()
    yield made
    if made._server:
        made._server.kill()
        made._server.wait()


def test_a_shim_is_a_process_of_its_own_session_and_group(start):
    shim = start("sleep", "60").started().shim
    assert os.getsid(shim.pid) == os.getpgid(shim.pid) == shim.pid


def test_a_shim_can_be_told_apart_by_ps(start):
    launched = start("sleep", "60").started()
    assert Path(f"/proc/{launched.shim.pid}/comm").read_text() == f"shim {launched.folder.name}\n"


def test_a_server_that_was_killed_is_replaced(server, tmp_path):
    first, _ = server.start_shim(tmp_path)
    server._server.kill()
    server._server.wait()
    second, _ = server.start_shim(tmp_path)
    assert first != second


def test_running_commands_do_not_notice_that_the_server_was_killed(start):
    launched = start.sh("echo ready; sleep 0.4; exit 3").prints(b"ready")
    process.server._server.kill()
    assert launched.outcome().exit_code == 3


def test_shims_that_ended_leave_no_zombies(server, tmp_path):
    pid, _ = server.start_shim(tmp_path)  # it finds no spec.json there, and ends
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), message="the end of the shim")


def test_a_second_shim_in_a_folder_does_not_start_the_command_again(start):
    launched = start.sh("echo once; sleep 60").prints(b"once")
    pid, _ = process.server.start_shim(launched.folder)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), message="the end of the second shim")
    assert "File exists" in (launched.folder / "shim.err").read_text()
    assert launched.log == b"once\n"


def test_the_server_ends_with_its_agent():
    with subprocess.Popen([sys.executable, "-c", AGENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        pid = int(agent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        agent.kill()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), message="the end of the server")


def test_the_server_does_not_end_by_the_terminal_s_signals(server, tmp_path):
    server.start_shim(tmp_path)
    assert os.getsid(server._server.pid) == server._server.pid


def test_a_server_that_does_not_answer_is_an_error_in_time(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shim_server, "ANSWER_SECONDS", 0.2)
    server.start_shim(tmp_path)
    server._server.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        server.start_shim(tmp_path)
    assert time.monotonic() - began < 3


def test_an_interpreter_that_cannot_be_started_is_an_error(server, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(FileNotFoundError):
        server.start_shim(tmp_path)


def test_many_threads_start_shims_at_once(server, tmp_path):
    folders = [tmp_path / str(number) for number in range(20)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(8) as threads:
        pids = [pid for pid, _ in threads.map(server.start_shim, folders)]
    assert len(set(pids)) == 20


def test_odd_characters_in_the_folder_name(start, tmp_path):
    start.home = tmp_path / "ein Ördner\nmit 'Zeichen'"
    assert start.sh("exit 2").outcome().exit_code == 2


def test_fifty_jobs_leave_no_open_file_behind(start):
    """Neither in the agent, which waits for each, nor in the process that forks the shims."""
    start("true").outcome()
    before = open_files()
    for launched in [start("true") for _ in range(50)]:
        launched.outcome()
    assert open_files() == before


def open_files() -> tuple[int, int]:
    mine, server = (Path(f"/proc/{pid}/fd") for pid in (os.getpid(), process.server._server.pid))
    return len(list(mine.iterdir())), len(list(server.iterdir()))
