"""Environments of jobs on a node, built by the real tool from wheels that lie in the code: once, sealed, or not at all."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from uv import find_uv_bin

from executors.node.code import COPY
from executors.node.environments import NodeEnvironments
from executors.run.placement_run import PlacementRun
from jobs.attempts.claims import PlacementSpec
from jobs.state.desired import CANCEL
from scheduling.failures.retry import MEANINGS, NodeSuspicion, RetryBudget
from scheduling.lifecycle import EndReason
from tests.waiting import wait_for
from tests.wheels import wheel
from workers.environments.cache import MARK
from workers.hardware.disk import Disk
from workers.runtime import walls
from workers.runtime.shim.clock import boottime
from workers.runtime.walls import Walls

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts commands as somebody else")
CLAIMED = PlacementSpec(
    placement_id=1, token="t", job_id=1, job_name="", attempt_id=1, attempt=1, project="vision", command=("true",),
    working_dir="", env={}, cpus=1, memory_mb=0, gpu_indices=(), max_runtime_seconds=None,
)  # fmt: skip
SLOW = "import time, pathlib; pathlib.Path('began').touch(); time.sleep(60)\n"
SETUP = "from setuptools import setup\nsetup(name='slow', version='1')\n"


class Yard:
    """A node's folder, its environments, and runs with code."""

    def __init__(self, home: Path, **wall) -> None:
        self.home, self.node = home, home / "nodes" / "n1"
        for folder in (self.node / "attempts", home / "jobs"):
            folder.mkdir(parents=True, exist_ok=True)
        self.walls = (
            walls.build(home=home, node=self.node, process_limit=0, job_folders=(), **wall)
            if wall
            else Walls(home, self.node)
        )
        self.runs = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """As an agent does that is started."""
        self.environments = NodeEnvironments(self.node / "environments", Disk([self.node], 0), self.walls)
        self.environments.start()

    def run(self, environment, files=None, *, job=1, project="vision", code="c" * 64) -> PlacementRun:
        self.runs += 1
        claimed = replace(
            CLAIMED, placement_id=self.runs, job_id=job, environment=environment, project=project, code=code
        )
        folder = self.node / "attempts" / str(self.runs)
        (folder / COPY).mkdir(parents=True)
        for name, content in (files or {}).items():
            (folder / COPY / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / COPY / name).write_text(content)
        return PlacementRun(claimed, folder, lease_deadline=boottime() + 60)

    def with_wheel(self, **options) -> PlacementRun:
        run = self.run(
            {"requirements": "requirements.txt"},
            {"requirements.txt": "./wheels/tiny-1.0-py3-none-any.whl\n"},
            **options,
        )
        wheel(run.folder / COPY / "wheels")
        return run

    def prepare(self, run):
        return self.environments.prepare(run)

    @property
    def kept(self) -> list[str]:
        return sorted(one.parent.name for one in (self.node / "environments").glob(f"*/{MARK}"))


@pytest.fixture
def yard(tmp_path):
    return Yard(tmp_path / "home")


def log_of(run: PlacementRun) -> str:
    path = run.folder / "log"
    return path.read_text() if path.exists() else ""


def said(yard: Yard, run: PlacementRun, script: str) -> str:
    """What a Python says that is started as the run's command would be."""
    variables = yard.environments.variables(run)
    return subprocess.run(
        ["python", "-c", script], env=variables, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_job_without_an_environment_gets_none(yard):
    run = yard.run({})
    assert yard.prepare(run) is None
    assert (yard.environments.variables(run), log_of(run), yard.environments.shown(run)) == ({}, "", ())


@pytest.mark.parametrize(("kind", "variable"), [("venv", "VIRTUAL_ENV"), ("conda", "CONDA_PREFIX")])
def test_one_that_lies_there_comes_first(yard, tmp_path, kind, variable):
    (tmp_path / "there" / "bin").mkdir(parents=True)
    run = yard.run({kind: str(tmp_path / "there")})
    assert yard.prepare(run) is None
    variables = yard.environments.variables(run)
    assert variables[variable] == str(tmp_path / "there")
    assert variables["PATH"].split(":")[0] == str(tmp_path / "there" / "bin")


def test_one_that_does_not_lie_there_is_named(yard):
    ending = yard.prepare(yard.run({"venv": "/no/such"}))
    assert ending.reason == EndReason.SETUP_FAILED
    assert "There is no virtual environment /no/such on this node: no such folder." in ending.message


def test_a_file_is_built_once_and_what_is_built_is_used(yard):
    first, second = yard.with_wheel(), yard.with_wheel(code="d" * 64)
    assert (yard.prepare(first), yard.prepare(second)) == (None, None)
    assert "Building the environment of requirements.txt with Python 3" in log_of(first)
    assert "tiny==1.0" in log_of(first)
    assert log_of(second) == ""
    assert yard.environments.shown(first) == yard.environments.shown(second)
    assert (
        said(yard, second, "import tiny, sys; print(tiny.VERSION, sys.prefix)")
        == f"1.0 {yard.environments.shown(first)[0]}"
    )
    assert list(yard.environments.shown(first)[0].rglob("tiny.*.pyc"))  # nobody compiles it at each start


def test_another_content_is_another_environment(yard):
    first, second = yard.with_wheel(), yard.with_wheel()
    wheel(second.folder / COPY / "wheels", module="VERSION = 'other'\n")
    assert (yard.prepare(first), yard.prepare(second)) == (None, None)
    assert len(yard.kept) == 2
    assert said(yard, second, "import tiny; print(tiny.VERSION)") == "other"


def test_nobody_writes_into_a_built_one(yard):
    run = yard.with_wheel()
    yard.prepare(run)
    modes = {
        path.lstat().st_mode & 0o222 for path in yard.environments.shown(run)[0].rglob("*") if not path.is_symlink()
    }
    assert modes == {0}


def test_of_many_at_once_one_builds(yard):
    runs = [yard.with_wheel() for _ in range(4)]
    endings = []
    threads = [threading.Thread(target=lambda run=run: endings.append(yard.prepare(run))) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert endings == [None] * 4
    assert sum("Building" in log_of(run) for run in runs) == 1
    assert len(yard.kept) == 1


def test_a_project_and_a_lock_are_built_without_the_project_itself(yard):
    project = '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = ["tiny"]\n[tool.uv.sources]\ntiny = { path = "wheels/tiny-1.0-py3-none-any.whl" }\n'
    run = yard.run({"project": "pyproject.toml"}, {"pyproject.toml": project})
    wheel(run.folder / COPY / "wheels")
    assert yard.prepare(run) is None
    uv = find_uv_bin()
    locked = yard.run({"lock": "uv.lock"}, {"pyproject.toml": project})
    wheel(locked.folder / COPY / "wheels")
    subprocess.run(
        [uv, "lock", "--quiet", "--offline", "--python", sys.executable], cwd=locked.folder / COPY, check=True
    )
    assert yard.prepare(locked) is None
    for each in (run, locked):
        assert (
            said(yard, each, "import tiny, importlib.util as u; print(tiny.VERSION, u.find_spec('mine'))") == "1.0 None"
        )
    assert len(yard.kept) == 2


def test_what_cannot_be_solved_fails_in_its_own_words_and_leaves_nothing(yard):
    run = yard.run({"requirements": "requirements.txt"}, {"requirements.txt": "--no-index\nno-such-package==9\n"})
    ending = yard.prepare(run)
    assert ending.reason == EndReason.SETUP_FAILED
    assert "no-such-package" in ending.message
    assert "no-such-package" in log_of(run)
    assert (yard.kept, list((yard.node / "environments").glob("*/env"))) == ([], [])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "There is no file requirements.txt in the job's code."),
        ({"requirements.txt": "link"}, "requirements.txt leads out of the job's code."),
    ],
)
def test_a_file_that_is_not_in_the_code_is_named(yard, files, words):
    run = yard.run({"requirements": "requirements.txt"})
    if files:
        (run.folder / COPY / "requirements.txt").symlink_to("/etc/passwd")
    assert yard.prepare(run).message == words


def test_a_python_that_is_not_here_is_named(yard):
    run = yard.with_wheel()
    run.claimed = replace(run.claimed, environment={"requirements": "requirements.txt", "python": "3.99"})
    assert "has no Python for it: wanted is 3.99" in yard.prepare(run).message


def test_a_build_that_takes_too_long_is_ended(yard, settings):
    settings.SETUP_SECONDS = 1
    ending = yard.prepare(slow(yard))
    assert (ending.reason, "within 1 seconds" in ending.message) == (EndReason.SETUP_FAILED, True)
    assert yard.kept == []


def test_a_job_that_is_cancelled_meanwhile_ends_as_that(yard):
    run, endings = slow(yard), []
    thread = threading.Thread(target=lambda: endings.append(yard.prepare(run)))
    thread.start()
    wait_for(lambda: "Building" in log_of(run))
    run.apply_desired(CANCEL)
    thread.join(20)
    assert [one.reason for one in endings] == [EndReason.CANCELLED]
    assert yard.kept == []


def slow(yard: Yard) -> PlacementRun:
    """One whose package's own build never comes to an end."""
    files = {
        "requirements.txt": "./slow\n",
        "slow/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n[project]\nname = "slow"\nversion = "1"\n',
        "slow/back.py": "import time\ndef get_requires_for_build_wheel(*a):\n    time.sleep(60)\n",
    }
    return yard.run({"requirements": "requirements.txt"}, files)


def test_what_was_half_built_when_an_agent_was_killed_does_not_count(yard):
    run = yard.with_wheel()
    yard.prepare(run)
    (yard.node / "environments" / yard.kept[0] / MARK).unlink()
    yard.begin_anew()
    again = yard.with_wheel()
    assert yard.prepare(again) is None
    assert "Building" in log_of(again)


def test_a_built_one_survives_the_agent(yard):
    yard.prepare(yard.with_wheel())
    yard.begin_anew()
    again = yard.with_wheel()
    assert yard.prepare(again) is None
    assert log_of(again) == ""


def test_too_many_are_thrown_out_but_none_in_use(yard, settings):
    settings.ENVIRONMENT_CACHE_GB = 0
    yard.begin_anew()
    used = yard.with_wheel()
    yard.prepare(used)
    other = yard.with_wheel()
    wheel(other.folder / COPY / "wheels", module="A = 1\n")
    yard.prepare(other)
    assert len(yard.kept) == 2
    yard.environments.release(other)
    third = yard.with_wheel()
    wheel(third.folder / COPY / "wheels", module="B = 1\n")
    yard.prepare(third)
    gone = [not yard.environments._cache.is_ready(key) for key in (yard.environments._used[1],)]
    assert (gone, len(yard.kept)) == ([False], 2)


def test_an_agent_that_was_restarted_knows_what_is_in_use(yard, settings):
    run = yard.with_wheel()
    yard.prepare(run)
    settings.ENVIRONMENT_CACHE_GB = 0
    yard.begin_anew()
    yard.environments.keep(run)
    other = yard.with_wheel()
    wheel(other.folder / COPY / "wheels", module="A = 1\n")
    yard.prepare(other)
    assert yard.environments.shown(run)[0].is_dir()


def test_a_failed_setup_is_paid_by_its_owner_and_blames_no_node():
    meaning = MEANINGS[EndReason.SETUP_FAILED]
    assert (meaning.payer, meaning.suspicion) == (RetryBudget.OWNER, NodeSuspicion.NEVER)
    assert meaning.elsewhere


@as_root
def test_where_jobs_have_users_of_their_own_it_is_theirs_to_build_and_not_to_write(tmp_path):
    yard = Yard(tmp_path / "home", run_as="auto", private=True)
    assert yard.walls.run_as is not None
    run = yard.with_wheel()
    assert yard.prepare(run) is None, log_of(run)
    prefix = yard.environments.shown(run)[0]
    assert {path.lstat().st_uid for path in (prefix, *prefix.rglob("*"))} == {0}
    other = yard.with_wheel(job=2, project="speech")
    yard.prepare(other)
    assert len(yard.kept) == 2  # what one project has built, another does not run


@as_root
def test_a_builder_cannot_have_the_files_of_others_opened(tmp_path):
    yard = Yard(tmp_path / "home", run_as="auto", private=True)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    folder = tmp_path / "env"
    folder.mkdir()
    (folder / "x").hardlink_to(secret)
    builder = yard.walls.user_of(1).uid
    os.chown(folder, builder, builder)
    from workers.environments.cache import StrangeFileError, seal

    with pytest.raises(StrangeFileError):
        seal(folder, builder)
    assert secret.stat().st_mode & 0o777 == 0o600


def test_a_cached_one_is_found_quickly(yard):
    yard.prepare(yard.with_wheel())
    run = yard.with_wheel()
    began = time.perf_counter()
    yard.prepare(run)
    assert time.perf_counter() - began < 0.1
