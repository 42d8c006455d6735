"""One shim runs beside every job, so what it costs is a promise."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from workers.runtime.shim.processes import stat_fields

MAIN = Path(__file__).parents[3] / "workers" / "runtime" / "shim" / "main.py"
LEAN = {"os", "signal", "json", "ctypes", "enum", "re", "typing", "subprocess", "threading", "pathlib"}


def status(pid: int, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_a_shim_stays_within_twelve_megabytes(start):
    launched = start.sh("yes | head -c 20000000; echo ready; sleep 60", log_limit_bytes=10**8).prints(b"ready")
    assert status(launched.shim.pid, "VmRSS") <= 12 * 1024


def test_a_waiting_shim_wakes_about_once_a_second(start):
    launched = start("sleep", "60").started()
    before = status(launched.shim.pid, "voluntary_ctxt_switches")
    time.sleep(2)
    assert status(launched.shim.pid, "voluntary_ctxt_switches") - before <= 4


def test_a_command_that_closed_its_output_does_not_keep_its_shim_busy(start):
    launched = start.sh("exec >&- 2>&-; sleep 60").started()
    time.sleep(0.5)
    ticks = sum(int(field) for field in stat_fields(launched.shim.pid)[11:13])
    assert ticks / os.sysconf("SC_CLK_TCK") < 0.1


def test_a_shim_imports_no_heavy_module(tmp_path):
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(MAIN), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    ).stderr
    imported = {line.rpartition("|")[2].strip() for line in shown.splitlines() if line.startswith("import time")}
    assert "workers.runtime.shim.supervisor" in imported
    assert imported & LEAN == set()


def test_a_job_that_does_nothing_costs_little_more_than_the_interpreter(start):
    bare = cpu_ms([sys.executable, "-I", "-S", "-c", "pass"])
    launched = start("true")
    launched.outcome()
    whole = cpu_ms([sys.executable, "-I", "-S", str(MAIN), str(launched.folder)])
    assert whole - bare < 25


def cpu_ms(argv: list[str]) -> float:
    """The least of seven runs: the noise of a busy machine only adds."""
    times = []
    for _ in range(7):
        pid = os.posix_spawn(argv[0], argv, {"PATH": os.environ["PATH"]})
        usage = os.wait4(pid, 0)[2]
        times.append((usage.ru_utime + usage.ru_stime) * 1000)
    return min(times)
