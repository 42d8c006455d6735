"""Commands that behave badly, each in one way or in all: the node stays well, and their end is told."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import wait_for

MB = 2**20
WORST = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print('ready', flush=True)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        for fd in (0, 1, 2):
            os.close(fd)
        os.chdir('/')
        time.sleep(60)
for fd in (0, 1, 2):
    os.close(fd)
time.sleep(60)
"""
SMALL_DISK = """
import os, sys, time
from pathlib import Path
from workers.hardware.disk import Disk
from workers.runtime.process import Command, launch
from workers.runtime.shim.clock import boottime
home = Path(sys.argv[1])
disk = Disk([home], 1)
print("before:", disk.problem() or "well")
def run(name, script):
    command = Command(("sh", "-c", script), str(home), dict(os.environ), 10**6, 1.0)
    return launch(home / name, command, lease_deadline=boottime() + 30).wait(20)
noted = "until [ -s first/log ]; do sleep 0.01; done"  # what the disk has no room for is lost: not this
print("first:", run("first", f"echo said before; {noted}; dd if=/dev/zero of=fill bs=64k 2>/dev/null; echo said after; exit 5"))
print("then:", disk.problem())
print("log:", (home / "first" / "log").read_text().split("\\n")[0])
try:
    print("second:", run("second", "echo nothing"))
except OSError as error:
    print("second:", error.strerror)
"""


def test_one_that_ignores_signals_double_forks_and_closes_its_streams_is_gone_after_its_grace(start):
    launched = start.python(WORST, grace_seconds=0.3).prints(b"ready")
    wait_for(lambda: len(launched.left()) == 4, message="all its processes")
    launched.shim.stop()
    assert launched.outcome().reason == "stopped"
    assert launched.left() == []


def test_one_that_deletes_its_working_directory_ends_as_it_would(start, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    launched = start.sh(f"rm -rf {folder}; echo gone; exit 3", cwd=str(folder))
    assert (launched.outcome().exit_code, launched.log) == (3, b"gone\n")


def test_one_that_deletes_the_folder_of_its_attempt_is_ended_and_leaves_nothing(start, tmp_path):
    """Without a lease to read, the shim takes it for lost."""
    launched = start.sh(
        f"sleep 61 & echo ready; rm -rf {tmp_path}/0; sleep 60", grace_seconds=0.3, lease_grace_seconds=0.3
    )
    outcome = launched.outcome()
    assert outcome.reason in ("lost_lease", "shim_lost")
    assert launched.left() == []


def test_one_that_prints_without_end_is_neither_slowed_nor_does_it_fill_memory_or_disk(start):
    launched = start.sh("yes trainyard | head -c 400000000; echo done >&2; sleep 60", log_limit_bytes=MB)
    began = time.monotonic()
    wait_for(lambda: b"done" in newest(launched.folder), timeout=60, message="400 MB of output")
    assert time.monotonic() - began < 60
    assert resident_kb(launched.shim.pid) <= 12 * 1024
    assert sum(path.stat().st_size for path in launched.folder.glob("log*")) <= 1.3 * MB


def newest(folder: Path) -> bytes:
    """The end of the latest file of the log; they come and go."""
    try:
        return max(folder.glob("log*"), key=lambda path: path.stat().st_mtime_ns).read_bytes()[-100:]
    except (OSError, ValueError):
        return b""


def resident_kb(pid: int) -> int:
    found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_one_that_forks_until_its_memory_is_used_up_is_ended_by_its_limit(start):
    bomb = "import os,time\nfor _ in range(5):\n  os.fork()\nheld = bytearray(b'x') * (16 * 2**20)\ntime.sleep(60)"
    launched = start.python(bomb, memory_limit_bytes=200 * MB)
    assert launched.outcome().reason == "out_of_memory"
    assert launched.left() == []


def test_one_that_fills_the_disk_is_told_from_one_that_failed_by_itself(tmp_path):
    namespace = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*namespace, f"mount -t tmpfs none {tmp_path}"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this system lets nobody mount a small disk")
    mounted = f"mount -t tmpfs -o size=3m none {tmp_path} && exec {sys.executable} -c '{SMALL_DISK}' {tmp_path}"
    done = subprocess.run([*namespace, mounted], capture_output=True, text=True, check=False, timeout=60)
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert told["before"] == "well", done.stderr
    assert "exit_code=5" in told["first"]
    assert told["then"] == "The node's disk is full: 0 MB are left, its reserve is 1 MB."
    assert told["log"] == "said before"
    # Nothing is half-started: the agent, which refuses such a node its jobs, lays what is left of this on the disk.
    assert "No space left" in told["second"] or "reason='shim_lost'" in told["second"]
