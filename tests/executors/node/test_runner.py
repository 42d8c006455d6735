"""Whatever fails in an agent, each run that it claimed is reported: nobody else would."""

import errno
import time
from pathlib import Path
from uuid import uuid4

import pytest

from executors.node.runner import Runner
from executors.run import state_files
from executors.run.placement_run import PlacementRun
from executors.session.requests import Identity
from executors.session.sync import NodeSession
from jobs.attempts.claims import PlacementSpec
from jobs.state.outcome import PlacementRef
from workers.hardware.cores import Cores
from workers.hardware.inventory import Hardware
from workers.runtime.process import CommandResult

CLAIMED = PlacementSpec(
    placement_id=1, token="t", job_id=1, job_name="", attempt_id=1, attempt=1, project="", command=("true",),
    working_dir="", env={}, cpus=1, memory_mb=0, gpu_indices=(), max_runtime_seconds=None,
)  # fmt: skip


class Reports:
    """In the place of the session: grants every claim, and keeps what is reported."""

    def __init__(self, folder: Path) -> None:
        self.run = PlacementRun(CLAIMED, folder, lease_deadline=0)
        self.reasons: list[str] = []

    def claim(self, _ref: PlacementRef) -> PlacementRun:
        return self.run

    def finish(self, _run, ending) -> None:
        self.reasons.append(ending.reason)


class BrokenShim:
    """A shim that its agent cannot speak to."""

    killed = False

    def renew(self, _deadline: float) -> None:
        raise RuntimeError("broken")

    def wait(self, _timeout=None) -> CommandResult:
        raise AssertionError("never reached")

    def kill(self) -> None:
        self.killed = True


@pytest.fixture
def runner(tmp_path):
    for folder in ("nodes/n1", "jobs"):
        (tmp_path / folder).mkdir(parents=True)
    made = Runner(identity=Identity("n1", uuid4()), hardware=Hardware(cpus=1, memory_mb=1024), home=tmp_path)
    made._session = Reports(tmp_path / "attempt")  # type: ignore[assignment]  # it takes reports as well
    return made


def test_a_command_that_its_agent_cannot_look_after_is_ended_and_reported(runner, monkeypatch):
    shim = BrokenShim()
    monkeypatch.setattr("executors.node.launcher.launch", lambda *_, **__: shim)

    runner.run(PlacementRef(1, "t"))

    assert (runner._session.reasons, shim.killed) == (["platform_error"], True)


def test_an_agent_that_fails_to_start_a_command_reports_it(runner, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr("executors.node.launcher.launch", fail)

    runner.run(PlacementRef(1, "t"))

    assert runner._session.reasons == ["platform_error"]


def test_a_run_gives_back_its_cores_and_leaves_its_end_on_disk_before_it_tells_of_it(runner, monkeypatch):
    seen: list[tuple[bool, bool]] = []

    def finish(run, ending) -> None:
        seen.append((len(runner._launcher._cores._free) == 1, state_files.read_outcome(run.folder) == ending))

    def launch(*_, **__):
        assert runner._launcher._cores._free == []
        raise OSError(errno.ENOEXEC, "no")

    runner._launcher._cores = Cores([(0, 0, 0)])
    monkeypatch.setattr(runner._session, "finish", finish)
    monkeypatch.setattr("executors.node.launcher.launch", launch)

    runner.run(PlacementRef(1, "t"))

    assert (seen, runner._session.run.folder.exists()) == ([(True, True)], False)


def test_a_placement_that_is_not_this_node_s_is_left_alone(runner, monkeypatch):
    monkeypatch.setattr(runner._session, "claim", lambda _ref: None)
    monkeypatch.setattr("executors.node.launcher.launch", lambda *_, **__: pytest.fail("it was started"))

    assert runner.run(PlacementRef(1, "t")) is False


def test_nothing_that_fails_ends_the_thread_through_which_a_node_speaks(monkeypatch, tmp_path):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    hardware = Hardware(cpus=1, memory_mb=1024)
    session = NodeSession(identity=Identity("n1", uuid4()), hardware=hardware, attempts=tmp_path, load=dict)

    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert [session._run_step(fail), session._run_step(lambda: None)] == [False, True]
