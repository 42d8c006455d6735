"""Commands that see their own processes and GPUs alone: real shims, and all that a shim does from outside."""

import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.workers.yard import Yard, said
from workers.runtime import device_files, process_tree, walls
from workers.runtime.shim.processes import family

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can shut a command in")
ESCAPE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(99)", sys.argv[1]], {})
    os._exit(0)
print("escaped", flush=True)
time.sleep(float(sys.argv[2]))
"""
"""A process in a session of its own, without the mark in its environment, whose parents have ended."""


def words_on(name: str) -> list[int]:
    """The processes of this machine with that word on their command line, but for the one that starts it."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else []
        except OSError:
            continue
        if name.encode() in words and b"time.sleep(99)" in b" ".join(words) and b"fork" not in b" ".join(words):
            found.append(int(folder.name))
    return found


def test_a_command_sees_its_own_processes_alone(yard):
    other = yard.start("sleep", "61", job=8)
    wait_for(other.status)
    _, text = yard.run("sh", "-c", "cat /proc/[0-9]*/comm; ls -d /proc/[0-9]* | wc -l")
    assert text.split()[:3] == ["job", "init", "sh"]
    assert int(text.split()[-1]) < 8
    assert "sleep" not in text


def test_its_agent_and_its_shim_are_not_there_for_it(yard):
    pids = [os.getpid(), os.getppid()]
    tries = f"import os; print([os.path.exists(f'/proc/{{pid}}') for pid in {pids}], os.getppid(), os.getpid() < 9)"
    _, text = yard.run(sys.executable, "-c", tries)
    assert text.split("]")[1].split() == ["0", "True"]
    assert "True" not in text.split("]")[0]


def test_what_a_command_tells_at_its_end_is_told(yard):
    assert yard.run("sh", "-c", "exit 7")[0].exit_code == 7
    outcome, _ = yard.run("sh", "-c", "kill -9 $$")
    assert outcome.exit_code == 137


def test_a_stop_reaches_a_command_that_catches_nothing(yard):
    shim = yard.start("sleep", "60")
    wait_for(shim.status)
    shim.stop(20)
    outcome, _ = yard.ended(shim)
    assert (outcome.reason, outcome.exit_code) == ("stopped", 128 + signal.SIGTERM)


def test_orphans_are_told_to_end_and_have_the_grace_to_save_their_work(yard):
    saving = "trap 'sleep 0.3; echo saved; exit' TERM; echo ready; while :; do sleep 0.05; done"
    shim = yard.start("sh", "-c", f'(setsid sh -c "{saving}" &) ; sleep 60')
    wait_for(lambda: "ready" in said(shim))
    shim.stop(10)
    assert yard.ended(shim)[1].endswith("saved\n")


@pytest.mark.parametrize("how", ["ends", "is cancelled", "shim is killed"])
def test_nothing_outlives_a_command_however_it_hides(yard, how, tmp_path):
    tag = f"{tmp_path.name}-{os.getpid()}"
    shim = yard.start(sys.executable, "-S", "-c", ESCAPE, tag, "0.5" if how == "ends" else "60")
    wait_for(lambda: "escaped" in said(shim))
    (hidden,) = wait_for(lambda: words_on(tag))
    start = int(Path(f"/proc/{hidden}/stat").read_text().rpartition(") ")[2].split()[19])
    if how == "is cancelled":
        shim.stop(0)
    elif how == "shim is killed":
        os.kill(shim.pid, signal.SIGKILL)  # by the kernel, say: nobody looks for what it leaves
    wait_for(lambda: not process_tree.is_running(hidden, start), 10)


BURN = """
import os, time
done, tell = os.pipe()
if os.fork():
    os.read(done, 1)
elif os.fork() == 0:
    while time.process_time() < 0.3: pass
    os.write(tell, b"x")
    time.sleep(60)
"""


def test_the_processor_time_of_what_nobody_waited_for_counts(yard):
    outcome, _ = yard.run(sys.executable, "-S", "-c", BURN)
    assert outcome.cpu_seconds >= 0.3


def test_a_command_stands_still_and_goes_on(yard):
    shim = yard.start("sh", "-c", "while :; do echo tick; sleep 0.02; done")
    wait_for(lambda: "tick" in said(shim))
    shim.suspend()
    pids = family(shim.pid)[1:]
    states = lambda: {Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] for pid in pids[:2]}  # noqa: E731
    wait_for(lambda: states() == {"T"})
    length = len(said(shim))
    shim.go_on()
    wait_for(lambda: len(said(shim)) > length)


def test_the_first_process_is_none_of_the_commands(yard):
    """It weighs nothing, and counts for nothing."""
    outcome, _ = yard.run("sh", "-c", "sleep 2", process_limit=2, memory_limit_bytes=3 * 2**20)
    assert outcome.reason == "exited"
    assert outcome.peak_memory_bytes < 3 * 2**20


def test_a_command_that_cannot_be_started_leaves_nothing(yard):
    shim = yard.start("nosuch-command")
    outcome, _ = yard.ended(shim)
    assert outcome.reason == "start_failed"
    assert [pid for pid in family(os.getpid()) if "job init" in Path(f"/proc/{pid}/comm").read_text()] == []


def test_neither_signals_nor_ptrace_reach_the_first_process(yard):
    tries = """
import ctypes, os, signal
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM): os.kill(1, number)
print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))
try: print(os.listdir('/proc/1/fd'))
except OSError as error: print(error.strerror)
"""
    outcome, text = yard.run(sys.executable, "-S", "-c", tries)
    assert (outcome.exit_code, text.split()) == (0, ["-1", "Permission", "denied"])


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """A folder in the place of /dev with three GPUs."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("null", "zero", "kvm", "nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"):
        try:
            os.mknod(folder / name, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("device files cannot be made here")
        (folder / name).chmod(0o666)
    (folder / "nvidia-caps").mkdir()
    tmp_path.chmod(0o755)
    monkeypatch.setattr(device_files, "DEVICES", str(folder))
    monkeypatch.setattr("workers.runtime.job_view.DEVICES", str(folder))
    return folder


@pytest.mark.parametrize(
    ("held", "seen"),
    [((), set()), ((1,), {"nvidia0", "nvidiactl", "nvidia-uvm", "nvidia-caps"})],
)
def test_of_gpus_a_command_finds_the_files_of_its_own(build, devices, held, seen):
    """Their numbers are the driver's: the second GPU of the node is the first of the driver."""
    yard = build(gpu_files={0: 1, 1: 0, 2: 2})
    _, text = yard.run("ls", str(devices), gpus=held)
    assert {name for name in text.split() if name.startswith("nvidia")} == seen
    assert {"null", "zero", "pts", "fd", "stdout", "ptmx"} <= set(text.split())
    assert "kvm" not in text


def test_a_device_that_the_operator_names_is_there(build, devices):
    _, text = build(job_folders=(str(devices / "kvm"),)).run("ls", str(devices))
    assert "kvm" in text


def test_the_usual_devices_and_terminals_work(yard):
    script = "head -c 3 /dev/zero | wc -c; echo x > /dev/null; echo out > /dev/stdout; ls /dev/shm; touch /dev/x"
    pty = "import os; m, s = os.openpty(); os.write(s, b'seen'); print(os.read(m, 4).decode(), os.ttyname(s))"
    _, text = yard.run("sh", "-c", f'{script}; {sys.executable} -S -c "{pty}"')
    assert text.split()[:2] == ["3", "out"]
    assert "Permission denied" in text
    assert text.splitlines()[-1].startswith("seen /dev/pts/")


def test_where_the_driver_does_not_tell_the_files_stay_and_that_is_said(build):
    yard = build(gpu_files=None)
    _, text = yard.run("ls", "/dev")
    assert set(text.split()) >= {each.name for each in Path("/dev").iterdir() if not each.is_symlink()}
    assert yard.walls.names == ["user", "files", "tmp", "processes"]
    assert "the files of all GPUs" in yard.walls.sentence


def test_a_view_without_a_tmp_of_its_own(build):
    yard = build(private=False)
    mine = Path(f"/dev/shm/view-{os.getpid()}")
    mine.touch()
    try:
        _, text = yard.run(
            "sh", "-c", f"ls {mine} {yard.home}; ls -d /proc/[0-9]* | wc -l; echo $TMPDIR; touch $TMPDIR/x"
        )
    finally:
        mine.unlink()
    assert str(mine) in text
    assert yard.walls.names == ["user", "files", "processes", "devices"]
    assert "/tmp/trainyard-" in text
    assert "denied" not in text


def test_walls_that_are_not_wanted_are_not_built(build):
    yard = build(choice="no")
    shim = yard.start("sleep", "60")
    wait_for(shim.status)
    assert shim.status()["init_pid"] == 0
    assert yard.walls.names == ["user", "files", "tmp"]
    assert "command lines of all processes" in yard.walls.sentence


def test_walls_that_were_asked_for_and_cannot_be_had_stop_the_agent(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"TRAINYARD_WALLS=yes: jobs that run as the agent itself.*RUN_AS=agent"):
        Yard(tmp_path / "home", choice="yes", run_as="agent")
    with pytest.raises(ValueError, match=r"TRAINYARD_WALLS=yes: the driver does not tell"):
        Yard(tmp_path / "home", choice="yes", gpu_files=None)
    monkeypatch.setattr(walls, "probe", lambda each: "unshare: Operation not permitted" if each.view else "")
    with pytest.raises(ValueError, match=r"TRAINYARD_WALLS=yes: .*not permitted"):
        Yard(tmp_path / "home", choice="yes")
    found = Yard(tmp_path / "home").walls
    assert (found.view, found.private) == (False, True)
    assert "unshare: Operation not permitted" in found.sentence
