"""Commands behind the highest walls that this machine allows: real shims, and jobs that try to get through."""

import ctypes
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.workers import trespassing
from tests.workers.yard import Yard
from workers.runtime import job_user, walls
from workers.runtime.shim.wall import SHARED_MEMORY

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts commands as somebody else")
HOLD = "import sys; from multiprocessing import shared_memory as m; s = m.SharedMemory(name=sys.argv[1], create=True, size={size}); s.buf[::4096] = b'x' * len(s.buf[::4096]); "


@pytest.fixture
def shared_folder():
    """Open to everybody, in the node's /tmp."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@as_root
def test_a_job_that_tries_reads_nothing_of_the_platform_and_of_other_jobs(yard):
    other = yard.start("sleep", "60", job=8)
    wait_for(other.status)
    secrets = [yard.home / name for name in ("credentials.json", "env")]
    for path in (
        *secrets,
        yard.home / "jobs/8/checkpoints/c",
        yard.home / "jobs/8/outputs/1/o",
        yard.node / "agent.json",
    ):
        path.write_text("secret")
    paths = [*secrets, yard.home / "jobs/8", yard.home / "jobs/8/checkpoints/c", yard.home / "jobs/8/outputs/1/o",
             yard.node / "agent.json", yard.node / "attempts/8", yard.node / "attempts/8/spec.json",
             yard.node / "attempts/7/spec.json", yard.home, yard.home / "jobs", "/root"]  # fmt: skip

    outcome, said = yard.run(*trespassing.command(paths, [os.getpid(), other.pid, other.status()["pid"]]))

    done = [line for line in said.splitlines() if line.startswith("DONE")]
    lists = [f"DONE {yard.home}", f"DONE {yard.home / 'jobs'}", "DONE /root"]  # empty but for what is its own
    assert [line for line in done if line not in lists] == []
    assert (outcome.exit_code, "tried" in said) == (0, True)


@as_root
def test_of_the_platforms_folder_a_job_sees_what_is_its_own(yard):
    yard.place(8)
    _, said = yard.run("sh", "-c", f"cd {yard.home}; echo *; echo jobs/*; echo nodes/n1/attempts/*")
    assert said.split() == ["jobs", "nodes", "jobs/7", "nodes/n1/attempts/7"]


@as_root
def test_a_job_writes_where_it_was_told_to_and_nowhere_above(yard):
    script = "touch $HOME/a ../../checkpoints/b c $TMPDIR/d; touch ../x ../../x; rm -r ../../checkpoints; ln -s / ../1"
    _, said = yard.run("sh", "-c", script)
    job = yard.home / "jobs/7"
    assert sorted(path.name for path in job.rglob("*") if path.is_file()) == ["a", "c"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (job, job / "checkpoints", job / "outputs/1")] == [
        0o711,
        0o700,
        0o700,
    ]
    assert said.count("denied") + said.count("not permitted") + said.count("exists") >= 3


@as_root
def test_checkpoints_of_an_attempt_that_ran_as_root_become_the_jobs(yard):
    place = yard.place(7)
    (place.kept[0] / "step-1").mkdir()
    (place.kept[0] / "step-1" / "weights").write_text("42")
    (place.kept[0] / "last").symlink_to("/etc/hostname")
    owner = Path("/etc/hostname").stat().st_uid

    _, said = yard.run(
        "sh", "-c", "cat ../../checkpoints/step-1/weights; rm -r ../../checkpoints/step-1 && echo removed"
    )

    assert said == "42removed\n"
    assert Path("/etc/hostname").stat().st_uid == owner


@as_root
def test_tmp_shared_memory_and_ipc_are_the_jobs_own_and_end_with_it(yard):
    name = f"wall-test-{os.getpid()}"
    ipc = "import ctypes; print(ctypes.CDLL(None).shmget(77, 1000, 0o1600), flush=True); "
    shim = yard.start(
        sys.executable, "-c", HOLD.format(size=10**6) + ipc + "open('/tmp/x', 'w'); import time; time.sleep(60)", name
    )
    wait_for(lambda: (shim.folder / "log").exists() and (shim.folder / "log").read_text().strip() == "0")

    assert not Path(SHARED_MEMORY, name).exists()
    assert ctypes.CDLL(None).shmget(77, 0, 0) < 0
    assert not Path("/tmp/x").exists()
    shim.kill()
    assert not Path(SHARED_MEMORY, name).exists()


@as_root
def test_files_in_shared_memory_count_as_the_jobs_memory(yard):
    fill = f"head -c 60000000 /dev/zero > {SHARED_MEMORY}/a; sleep 3; python3 -c 'x = b\"1\" * 60000000; import time; time.sleep(20)'"
    outcome, _ = yard.run("sh", "-c", fill, memory_limit_bytes=100 * 2**20)
    assert outcome.reason == "out_of_memory"


@as_root
def test_shared_memory_that_is_mapped_counts_once(yard):
    argv = (sys.executable, "-c", HOLD.format(size=70 * 2**20) + "import time; time.sleep(2)", "twice")
    outcome, _ = yard.run(*argv, memory_limit_bytes=120 * 2**20)
    assert outcome.reason == "exited"
    assert outcome.peak_memory_bytes > 70 * 2**20


@as_root
def test_what_a_command_names_in_tmp_is_there(yard, shared_folder):
    (shared_folder / "data").write_text("seen")
    with tempfile.TemporaryDirectory() as unnamed:
        _, said = yard.run("sh", "-c", f"cat {shared_folder}/data; echo; echo made > {shared_folder}/new; ls /tmp")
    seen, *names = said.split()
    assert seen == "seen"
    assert shared_folder.name in names
    assert Path(unnamed).name not in names
    assert (shared_folder / "new").read_text() == "made\n"


@as_root
def test_a_name_in_tmp_that_leads_elsewhere_opens_nothing_that_is_closed(yard, shared_folder):
    (yard.home / "env").write_text("secret")
    (yard.home / "open").mkdir()
    (yard.home / "open" / "x").write_text("secret")
    (shared_folder / "link").symlink_to(yard.home / "open")
    _, said = yard.run("sh", "-c", f"cat {shared_folder}/link/x {shared_folder}/link/../env")
    assert "secret" not in said


@as_root
def test_a_working_folder_that_is_closed_to_the_jobs_user_says_so(yard, tmp_path):
    closed = tmp_path / "mine"
    closed.mkdir(mode=0o700)
    outcome, _ = yard.run("true", cwd=str(closed))
    assert (outcome.reason, outcome.exit_code) == ("start_failed", None)
    assert f"{str(closed)!r}: it is there, but closed to user" in outcome.message
    assert "TRAINYARD_JOB_FOLDERS" in outcome.message


@as_root
def test_a_working_folder_that_is_not_there_is_no_matter_of_rights(yard):
    outcome, _ = yard.run("true", cwd="/no/such/place")
    assert outcome.message == "cannot enter working directory '/no/such/place': No such file or directory"


@as_root
def test_folders_that_the_operator_names_are_reached_through_closed_ones(build, tmp_path):
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_text(name)
    _, said = build(job_folders=(str(tmp_path / "open"),)).run("sh", "-c", f"cat {tmp_path}/*/data")
    assert said == "open"


@as_root
@pytest.mark.parametrize(
    ("argv", "message"), [(["nosuch-command"], "No such file"), (["/etc/passwd"], "Permission denied")]
)
def test_a_command_that_cannot_be_started_says_why(yard, argv, message):
    outcome, _ = yard.run(*argv)
    assert outcome.reason == "start_failed"
    assert message in outcome.message


@as_root
def test_the_platforms_folder_stays_closed_whatever_the_operator_names(build, tmp_path):
    (tmp_path / "home" / "open").mkdir(parents=True)
    tmp_path.chmod(0o755)
    named = (str(tmp_path / "home"), str(tmp_path / "home" / "open"), str(tmp_path))
    _, said = build(job_folders=named).run("ls", str(tmp_path / "home"))
    assert said.split() == ["jobs", "nodes"]


@as_root
def test_a_checkout_that_is_closed_to_others_runs_jobs_as_users_of_their_own(build, tmp_path, monkeypatch):
    """With the platform's folder in it, as `make up` has it."""
    tmp_path.chmod(0o700)
    (tmp_path / "trainyard").symlink_to(walls.CHECKOUT / "trainyard")
    (tmp_path / "examples").mkdir()
    (tmp_path / "mine").mkdir(mode=0o700)
    monkeypatch.setattr(walls, "CHECKOUT", tmp_path)
    yard = build(job_folders=(str(tmp_path),))
    assert yard.walls.run_as is not None
    _, said = yard.run("sh", "-c", f"ls {tmp_path}; ls mine", cwd=str(tmp_path))
    assert said.split()[:4] == ["examples", "home", "mine", "trainyard"]
    assert "denied" in said


@as_root
def test_no_signal_is_ignored_or_blocked_behind_the_wall(yard):
    _, said = yard.run("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status")
    inside_libc = 0b11 << 31  # 32 and 33, which nobody can set: what a library of this process did to them is inherited
    assert [int(line.split()[1], 16) & ~inside_libc for line in said.splitlines()] == [0, 0]


@as_root
def test_who_can_write_to_its_files_cannot_become_root_by_them(yard):
    _, said = yard.run("grep", "-E", "NoNewPrivs|Cap(Eff|Prm|Amb)", "/proc/self/status")
    assert sorted(line.split()[1].strip("0") for line in said.splitlines()) == ["", "", "", "1"]


FORK = (
    "import os, time\nfor _ in range(9):\n    try: os.fork()\n    except OSError: pass\ntime.sleep(30)"  # 512 at most
)


@as_root
@pytest.mark.parametrize("run_as", ["auto", "agent"])
def test_a_fork_bomb_ends_its_job_alone_with_a_reason(build, run_as):
    yard = build(run_as=run_as, process_limit=60)
    other = yard.start("sleep", "60", job=8)
    outcome, _ = yard.run("python3", "-S", "-c", FORK)
    assert (outcome.reason, "it may have 60" in outcome.message) == ("process_limit", True)
    assert other.status()["phase"] == "running"


@as_root
def test_a_job_of_one_account_keeps_its_groups_and_home(build):
    yard = build(run_as="nobody", choice="no")
    _, said = yard.run("sh", "-c", "id -un; echo $HOME $USER")
    assert said.split()[0] == "nobody"
    assert said.split()[2] == "nobody"
    assert "other jobs' processes" in yard.walls.sentence


@as_root
def test_walls_that_were_asked_for_and_do_not_hold_stop_the_agent(tmp_path, monkeypatch):
    monkeypatch.setattr(walls, "probe", lambda _: "mount: Operation not permitted")
    with pytest.raises(ValueError, match=r"1000-2000.*not permitted"):
        Yard(tmp_path / "home", run_as="1000-2000")


@as_root
def test_where_no_wall_holds_the_agent_says_what_jobs_can_read(tmp_path, monkeypatch):
    monkeypatch.setattr(walls, "missing_capabilities", lambda: ["SETUID"])
    yard = Yard(tmp_path / "home", private=False)
    assert yard.walls.run_as is None
    assert yard.walls.sentence.startswith(
        "Jobs run as root, the agent's user (root lacks SETUID here): they can read all"
    )


@as_root
def test_without_mounts_of_its_own_a_job_goes_through_folders_that_it_cannot_list(monkeypatch, shared_folder):
    """Python lies in a closed folder on some machines, hence a command without it."""
    monkeypatch.setattr(walls, "probe", lambda _: "")
    (shared_folder / "home").mkdir()
    yard = Yard(shared_folder / "home", private=False, choice="no")
    (old := yard.place(6).kept[0] / "c").write_text("of an attempt before there were walls")
    walls.open_way(yard.walls)
    yard.walls.prepare(yard.place(8))
    (yard.home / "env").touch(mode=0o600)
    _, said = yard.run(
        "sh", "-c", f"touch x $TMPDIR/y; ls {yard.home} {yard.home}/jobs/8; cat {yard.home}/env {old}; id -u"
    )
    assert said.count("denied") == 4
    assert said.splitlines()[-1] == str(job_user.RANGES[0][0] + 7)
    assert (yard.home / "jobs/7/outputs/1/x").exists()


def test_what_is_left_in_shared_memory_is_swept_where_it_is_not_the_jobs_own(build):
    yard = build(run_as="agent", private=False)
    left, kept = (f"wall-{kind}-{os.getpid()}" for kind in ("left", "kept"))
    Path(SHARED_MEMORY, kept).write_text("of somebody else, before")
    script = f"echo x > {SHARED_MEMORY}/{left}; echo $TMPDIR; touch $TMPDIR/y"
    try:
        _, said = yard.run("sh", "-c", script)
        assert [Path(SHARED_MEMORY, name).exists() for name in (left, kept)] == [False, True]
        assert not Path(said.strip()).exists()
    finally:
        Path(SHARED_MEMORY, kept).unlink()


def test_shared_memory_in_use_is_not_swept(build):
    yard = build(run_as="agent", private=False)
    path = Path(SHARED_MEMORY, f"wall-used-{os.getpid()}")
    shim = yard.start("sh", "-c", f"echo x > {path}")
    shim.wait(20)
    try:
        with path.open():
            yard.walls.clear(shim.folder, 7)
            assert path.exists()
    finally:
        path.unlink(missing_ok=True)


BE_NOBODY = (
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
)
AS_NOBODY = """
import sys; from pathlib import Path; from workers.runtime import walls
home = Path(sys.argv[1])
found = walls.build(home=home, node=home / "nodes/n1", run_as=sys.argv[2], private=True, process_limit=0, job_folders=())
print(found.run_as, found.private, found.sentence)
"""


@as_root
def test_an_agent_that_is_not_root_says_what_jobs_can_read(tmp_path):
    argv = [*BE_NOBODY, sys.executable, "-c", AS_NOBODY, str(tmp_path)]
    said = subprocess.run([*argv, "auto"], capture_output=True, text=True, check=True, cwd=walls.CHECKOUT).stdout
    assert said.startswith("None False Jobs run as nobody, the agent's user: they can read all that it can")
    refused = subprocess.run([*argv, "1000-2000"], capture_output=True, text=True, check=False, cwd=walls.CHECKOUT)
    assert "only an agent that runs as root" in refused.stderr
