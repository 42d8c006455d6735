"""Memory: what a command and all it started use together, and the end of one that uses more than it asked for."""

import os
import time

import pytest

from tests.waiting import wait_for
from workers.runtime.shim import memory
from workers.runtime.shim.group import Group
from workers.runtime.shim.memory import MemoryMonitor
from workers.runtime.shim.processes import family

MB = 2**20
FILL = "import time\nheld = bytearray(b'x') * ({mb} * 2**20)\nprint('ready', flush=True)\ntime.sleep({seconds})\n"
WORKERS = """
import os, time
held = bytearray(b'x') * (120 * 2**20)
for _ in range(4):
    if os.fork() == 0:
        time.sleep(60)
print('ready', flush=True)
time.sleep({seconds})
"""


def fill(mb: int, seconds: float = 60) -> str:
    return FILL.format(mb=mb, seconds=seconds)


def test_a_command_over_its_limit_is_ended_and_told_its_peak_and_its_limit(start):
    outcome = start.python(fill(300), memory_limit_bytes=200 * MB).outcome()
    assert outcome.reason == "out_of_memory"
    assert outcome.exit_code in (143, 137)  # SIGTERM and SIGKILL come together
    assert outcome.message.startswith("used at least 0.")
    assert outcome.message.endswith(" GB of memory; it asked for 0.195 GB")
    assert outcome.peak_memory_bytes > 200 * MB


def test_the_whole_tree_counts_whatever_session_it_hides_in(start):
    each = fill(150).replace("\n", ";").replace("'", '"')
    script = f"python3 -I -S -c '{each}' & (setsid python3 -I -S -c '{each}' &) ; wait; sleep 60"
    launched = start.sh(script, memory_limit_bytes=250 * MB)
    assert launched.outcome().reason == "out_of_memory"
    assert launched.left() == []


def test_no_grace_is_given_and_none_is_needed(start):
    deaf = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{fill(300)}"
    outcome = start.python(deaf, memory_limit_bytes=200 * MB, grace_seconds=600.0).outcome()
    assert outcome.reason == "out_of_memory"


def test_memory_that_workers_share_counts_once(start):
    launched = start.python(WORKERS.format(seconds=2.5), memory_limit_bytes=250 * MB).prints(b"ready")
    assert sum(map(memory.resident, family(launched.shim.status()["pid"]))) > 500 * MB
    outcome = launched.outcome()
    assert (outcome.reason, outcome.exit_code) == ("exited", 0)
    assert 50 * MB < outcome.peak_memory_bytes < 200 * MB  # what a look caught of it, on a busy machine too


def test_a_data_set_that_is_mapped_does_not_count(start, tmp_path):
    (tmp_path / "data").write_bytes(b"x" * 200 * MB)
    script = "import mmap,sys,time\nfile = open(sys.argv[1], 'rb')\nseen = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
    script += "print(sum(seen[::4096]), flush=True)\ntime.sleep(1.5)"
    launched = start("python3", "-I", "-S", "-c", script, str(tmp_path / "data"), memory_limit_bytes=100 * MB)
    outcome = launched.outcome()
    assert outcome.exit_code == 0
    assert outcome.peak_memory_bytes < 100 * MB


def test_where_limits_only_warn_the_command_goes_on_and_its_end_tells(start):
    outcome = start.python(fill(150, 1.6), memory_limit_bytes=100 * MB, memory_enforced=False).outcome()
    assert (outcome.reason, outcome.exit_code) == ("exited", 0)
    assert "it asked for 0.0977 GB" in outcome.message


def test_without_a_limit_only_the_peak_is_noted(start):
    outcome = start.python(fill(150, 1.6)).outcome()
    assert (outcome.exit_code, outcome.message) == (0, "")
    assert outcome.peak_memory_bytes > 150 * MB


def test_processor_time_counts_what_every_process_used(start):
    burn = "import time\nend = time.process_time() + 0.4\nwhile time.process_time() < end: pass"
    launched = start("sh", "-c", 'python3 -I -S -c "$1" & python3 -I -S -c "$1"; wait', "sh", burn)
    assert 0.8 <= launched.outcome().cpu_seconds < 3


def test_a_command_that_could_not_start_used_nothing(start):
    outcome = start("no-such-thing").outcome()
    assert (outcome.peak_memory_bytes, outcome.cpu_seconds) == (None, None)


@pytest.mark.parametrize(
    ("limit_gb", "used_gb", "pause"), [(0, 500, 1.0), (64, 0, 1.0), (4, 0, 0.5), (4, 3.9, 0.25), (1, 2, 0.25)]
)
def test_the_nearer_the_limit_the_sooner_the_next_look(limit_gb, used_gb, pause):
    watch = MemoryMonitor(int(limit_gb * 2**30))
    watch.most = int(used_gb * 2**30)
    assert watch.pause == pause


@pytest.fixture
def looks(monkeypatch):
    """Looks at two processes of a made-up size; says whether the exact figure was asked for."""

    def look(watch: MemoryMonitor, now: float, resident: int) -> bool:
        asked: list[int] = []

        def exact(pid: int) -> int:
            asked.append(pid)
            return 1

        monkeypatch.setattr(memory, "family", lambda _: [1, 2, 3])
        monkeypatch.setattr(memory, "resident", lambda _: resident)
        monkeypatch.setattr(memory, "pss_bytes", exact)
        monkeypatch.setattr("workers.runtime.shim.memory.time.monotonic", lambda: now + 0.1)
        watch.measure(now, 1)
        return asked == [2, 3]

    return look


def test_over_the_limit_the_exact_figure_of_many_processes_is_asked_for_a_fiftieth_of_the_time(looks):
    watch = MemoryMonitor(100)
    assert [looks(watch, now, 60) for now in (10.0, 10.5, 14.9, 15.1)] == [True, False, False, True]


def test_below_the_limit_it_is_asked_for_only_where_it_would_be_news(looks):
    watch = MemoryMonitor(1000)
    sizes = [(10, 60), (20, 60), (30, 62), (40, 64), (50, 10)]
    assert [looks(watch, now, size) for now, size in sizes] == [True, False, False, True, False]


def test_a_process_that_ends_meanwhile_is_no_error(start):
    launched = start("true")
    launched.outcome()
    gone = launched.shim.status()["pid"]
    assert (memory.resident(gone), memory.own_bytes(gone), memory.pss_bytes(gone)) == (0, 0, 0)


@pytest.fixture
def group(tmp_path):
    """Folders as an agent makes them, of plain files."""
    for name in ("shims", "job-1"):
        (tmp_path / "groups" / name).mkdir(parents=True)
        (tmp_path / "groups" / name / "cgroup.procs").touch()
    return tmp_path / "groups" / "job-1"


def test_the_command_is_born_in_its_group_and_the_shim_goes_back_to_its_own(start, group):
    start.sh("exit 3", group=str(group)).outcome()
    assert [(group / "cgroup.procs").read_text(), (group.parent / "shims/cgroup.procs").read_text()] == ["0", "0"]


@pytest.mark.parametrize(
    ("events", "code", "reason"),
    [
        ("low 0\noom 3\noom_kill 1\noom_group_kill 1\n", 137, "out_of_memory"),
        ("low 0\noom 3\noom_kill 1\n", 1, "out_of_memory"),
        ("low 0\noom 0\noom_kill 0\n", 137, "exited"),
        ("low 0\noom 3\noom_kill 1\n", 0, "exited"),
    ],
    ids=["all killed", "a worker killed", "killed by somebody else", "went on without the worker"],
)
def test_the_group_s_own_count_tells_whether_the_kernel_killed_for_memory(start, group, events, code, reason):
    (group / "memory.events").write_text(events)
    outcome = start.sh(f"exit {code}", group=str(group), memory_limit_bytes=64 * MB).outcome()
    assert outcome.reason == reason
    assert ("it asked for 0.0625 GB" in outcome.message) == (reason == "out_of_memory")


def test_a_group_that_is_gone_is_a_failure_to_start_not_a_command_without_a_limit(start, tmp_path):
    outcome = start("true", group=str(tmp_path / "nowhere" / "job-1")).outcome()
    assert outcome.reason == "start_failed"


def test_no_group_does_nothing():
    none = Group("")
    none.enter()
    none.leave()
    none.kill()
    none.remove()
    assert not none.out_of_memory()


def test_a_command_runs_on_its_own_cores_and_the_shim_where_it_was(start):
    core = min(os.sched_getaffinity(0))
    launched = start("sleep", "60", cores=(core,)).started()
    wait_for(lambda: os.sched_getaffinity(launched.shim.status()["pid"]) == {core}, message="the command's cores")
    assert os.sched_getaffinity(launched.shim.pid) == os.sched_getaffinity(0)


def test_cores_that_are_not_there_bind_nothing(start):
    launched = start("sleep", "60", cores=(100_000,)).started()
    assert os.sched_getaffinity(launched.shim.status()["pid"]) == os.sched_getaffinity(0)


def test_a_look_at_a_small_tree_takes_well_under_a_millisecond(start):
    parent = start.sh("sleep 61 & sleep 62").started().shim.pid
    watch = MemoryMonitor(0)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        watch.walk_at = 0
        watch.measure(time.monotonic(), parent)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.002
