"""What an agent does about folders that grow, GPUs that fail, commands that look dead, and a disk that is full."""

import os
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from executors.node import monitor, node_status
from executors.node.monitor import Monitor, printed
from executors.node.node_status import NodeStatus
from executors.run.placement_run import PlacementRun
from executors.upload import events
from scheduling.lifecycle import EndReason
from tests import builders
from tests.executors.run.test_placement_run import SINGLE
from tests.waiting import wait_for
from tests.workers.nvml import Driver, gpu
from workers.hardware.disk import Disk
from workers.hardware.gpu_faults import GpuFaults
from workers.hardware.inventory import Hardware
from workers.runtime.process import CommandResult

MB = 2**20


class Stops:
    """Stands in for a shim: keeps what it is told."""

    suspended = False
    pid = 0

    def __init__(self) -> None:
        self.asked: list[float | None] = []

    def renew(self, _deadline: float) -> None: ...

    def status(self) -> None: ...

    def suspend(self) -> None: ...

    def stop(self, grace: float | None) -> None:
        self.asked.append(grace)


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node with two GPUs, a watch over what runs there, and an agent that is told of changes."""
    driver = Driver(2)
    hardware = Hardware(cpus=8, memory_mb=1000, gpus=(gpu(0), gpu(1)))
    faults = GpuFaults(hardware.gpus, tmp_path / "gpus.json", driver)
    disk: Any = SimpleNamespace(
        now="", recent="", problem=lambda: disk.now, recent_problem=lambda: disk.recent, free_mb=lambda: 7
    )
    state = NodeStatus(hardware, disk, faults, driver)
    monkeypatch.setattr(node_status, "FOREIGN_PROCESS_SECONDS", 0)
    # Between heartbeats the driver says what it says in them.
    now: Any = node_status
    loads = SimpleNamespace(latest=lambda _: now.current_load(hardware)["gpus"])
    monkeypatch.setattr(node_status, "gpu_loads", loads)
    told: list[int] = []
    yield SimpleNamespace(
        driver=driver,
        disk=disk,
        faults=faults,
        condition=state,
        told=told,
        watch=Monitor(state, tell=lambda: told.append(1)),
    )
    faults.close()


@pytest.fixture
def runs(tmp_path):
    def make(**fields) -> PlacementRun:
        folder = tmp_path / f"attempt{fields.get('placement_id', 1)}"
        folder.mkdir()
        made = PlacementRun(replace(SINGLE, **fields), folder, lease_deadline=0)
        made.attach(Stops())  # type: ignore[arg-type]
        return made

    return make


def ended(run: PlacementRun, reason: str = "stopped", exit_code: int = 143):
    return run.outcome(CommandResult(reason, exit_code, "", started_at=1.0, ended_at=2.0))


def test_folders_that_outgrow_their_limit_end_the_job_with_both_figures(node, runs, tmp_path, settings):
    settings.OUTPUT_LIMIT_GB = 0.002
    for name in ("checkpoints", "outputs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * MB)
    run = runs()
    node.watch.add(run, tmp_path / "checkpoints", tmp_path / "outputs")
    node.watch.turn()
    assert not run._shim.asked
    (tmp_path / "outputs" / "more").write_bytes(b"x" * MB)
    node.watch.turn()
    ending = ended(run)
    assert ending.reason == EndReason.OUTPUT_LIMIT
    assert ending.message == "Its outputs and checkpoints take 0.00293 GB; the limit is 0.002 GB."


def test_without_a_limit_nobody_walks_through_folders(node, runs, tmp_path, monkeypatch):
    monkeypatch.setattr("executors.node.monitor.DiskUsage.walk", lambda *_: pytest.fail("it was walked through"))
    node.watch.add(runs(), tmp_path)
    node.watch.turn()


def test_a_fault_of_a_gpu_ends_the_job_that_holds_it_and_no_other(node, runs):
    ill, well = runs(placement_id=1, gpu_indices=(0,)), runs(placement_id=2, gpu_indices=(1,))
    for run in (ill, well):
        node.watch.add(run)
    node.faults._record("GPU-0abc", 79)
    node.watch.turn()
    assert (ended(ill).reason, ended(ill).message) == (
        EndReason.GPU_ERROR, "GPU 0 reported Xid 79: it has fallen off the bus.",
    )  # fmt: skip
    assert not well._shim.asked
    assert node.told


def test_a_command_that_fails_of_the_fault_before_it_is_stopped_is_not_to_blame(node, runs):
    run = runs(gpu_indices=(0,))
    node.watch.add(run)
    node.faults._record("GPU-0abc", 95)
    node.watch.remove(run)
    assert ended(run, "exited", 1).reason == EndReason.GPU_ERROR


def test_a_command_that_completes_in_spite_of_it_has_completed(node, runs):
    run = runs(gpu_indices=(0,))
    node.faults._record("GPU-0abc", 95)
    node.watch.remove(run)
    assert ended(run, "exited", 0).reason == EndReason.COMPLETED


def test_a_fault_that_leaves_results_right_is_only_noted(node, runs):
    run = runs(gpu_indices=(0,))
    node.watch.add(run)
    node.faults._record("GPU-0abc", 63)
    node.watch.turn()
    node.watch.remove(run)
    assert [note.kind for note in run.notes] == ["gpu_warning"]
    assert ended(run, "exited", 1).reason == EndReason.EXIT_CODE


def test_nothing_starts_on_a_gpu_that_is_out(node, runs):
    node.faults._record("GPU-0abc", 63)
    refused = node.watch.refusal(runs(placement_id=1, gpu_indices=(0, 1)))
    assert (refused.reason, "Xid 63" in refused.message) == (EndReason.GPU_ERROR, True)
    assert node.watch.refusal(runs(placement_id=2, gpu_indices=(1,))) is None


def test_nothing_starts_on_a_full_disk(node, runs):
    run = runs(gpu_indices=())
    assert node.watch.refusal(run) is None
    node.disk.now = "The node's disk is full."
    assert node.watch.refusal(run).reason == EndReason.DISK_FULL


@pytest.mark.parametrize(
    ("reason", "exit_code", "becomes"),
    [("exited", 1, "disk_full"), ("shim_lost", None, "disk_full"), ("exited", 0, "completed"), ("timeout", 143, "timeout"),
     ("out_of_memory", 137, "out_of_memory")],
)  # fmt: skip
def test_a_command_that_fails_while_the_disk_is_full_is_not_to_blame(node, runs, reason, exit_code, becomes):
    run = runs()
    node.disk.recent = "The node's disk is full."
    node.watch.remove(run)
    ending = ended(run, reason, exit_code)
    assert (ending.reason, ending.exit_code) == (becomes, exit_code)


def test_the_agent_says_at_once_when_its_disk_fills_and_when_there_is_room_again(node, caplog):
    node.watch.turn()
    node.disk.now = "The node's disk is full."
    node.watch.turn()
    node.watch.turn()
    node.disk.now = ""
    node.watch.turn()
    assert len(node.told) == 2
    assert "There is room on the node's disk again." in caplog.text


def test_heartbeats_carry_the_room_the_faults_and_the_trespassers(node, monkeypatch):
    monkeypatch.setattr(node_status, "current_load", lambda _: {"gpus": [{"index": 0, "utilisation": 5}]})
    node.disk.now = "The node's disk is full."
    node.faults._record("GPU-1abc", 74)
    node.driver.running = {0: [os.getppid()]}
    node.watch.turn()
    load = node.condition.load()
    assert (load["disk_free_mb"], load["disk_full"]) == (7, True)
    assert load["gpus_out"] == [{"index": 1, "reason": "GPU 1 reported Xid 74: an error of its NVLink."}]
    [stranger] = load["trespasses"]
    assert (stranger["gpu"], stranger["pid"], stranger["of_a_job"]) == (0, os.getppid(), False)


def test_a_job_on_the_gpu_of_another_has_it_in_its_history_once_and_goes_on(node, runs, monkeypatch):
    mine, other = runs(placement_id=1, gpu_indices=(0,)), runs(placement_id=2, gpu_indices=(1,))
    for run in (mine, other):
        node.watch.add(run)
    node.driver.running = {1: [4242]}
    environment = f"TRAINYARD_SHIM_FOLDER={mine.folder}\0".encode()
    monkeypatch.setattr(
        "workers.runtime.foreign_gpu_processes.read", lambda path: environment if path.name == "environ" else b"train\0"
    )
    node.watch.turn()
    node.watch.turn()
    assert [note.message for note in mine.notes] == ["Its process 4242 (train) computes on GPU 1: not its own."]
    assert not other.notes
    assert not mine._shim.asked


@pytest.fixture
def dead(node, runs, settings, monkeypatch):
    """A command on a GPU that does nothing; the clock is the test's."""
    settings.SILENCE_SECONDS = 600
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(monitor, "time", SimpleNamespace(monotonic=lambda: clock.now))
    idle = {"gpus": [{"index": 0, "utilisation": 0}]}
    monkeypatch.setattr(node_status, "current_load", lambda _: idle)
    node.condition.load()

    def after(seconds: float, **claimed) -> PlacementRun:
        run = runs(gpu_indices=(0,), **claimed)
        node.watch.add(run)
        for moment in (0, seconds / 2, seconds):
            clock.now = 1000.0 + moment
            node.watch.turn()
        return run

    return SimpleNamespace(after=after, idle=idle)


def test_a_command_that_looks_dead_is_first_noted_then_stopped(dead):
    run = dead.after(600)
    assert [note.kind for note in run.notes] == ["silent"]
    assert ended(run).reason == EndReason.STALLED
    assert ended(run).message == "No output, no report and no work on its GPUs for 10 minutes."


def test_one_that_wants_to_be_warned_only_goes_on(dead):
    run = dead.after(600, stall_action="warn")
    assert [note.kind for note in run.notes] == ["silent", "silent"]
    assert not run._shim.asked


def test_one_that_was_silent_for_half_the_time_is_only_noted(dead):
    run = dead.after(500)
    assert (len(run.notes), run._shim.asked) == (1, [])


@pytest.mark.parametrize("load", [{"gpus": []}, {"gpus": [{"index": 0, "utilisation": 1}]}], ids=["unknown", "busy"])
def test_a_gpu_that_works_or_does_not_tell_counts_as_work(dead, node, monkeypatch, load):
    monkeypatch.setattr(node_status, "current_load", lambda _: load)
    node.condition.load()
    assert not dead.after(6000).notes


def test_what_its_gpus_worked_is_told_with_its_end(node, runs, monkeypatch):
    run = runs(gpu_indices=(0, 1))
    node.watch.add(run)
    monkeypatch.setattr(
        node_status,
        "current_load",
        lambda _: {"gpus": [{"index": 0, "utilisation": 50}, {"index": 1, "utilisation": 100}]},
    )
    node.condition.load()
    for now in (100.0, 102.0, 104.0):
        monkeypatch.setattr("executors.node.monitor.time.monotonic", lambda now=now: now)
        node.watch.turn()
    outcome = ended(run)
    assert (outcome.gpu_measured_seconds, outcome.gpu_busy_seconds) == (8.0, 6.0)


def test_of_gpus_that_tell_nothing_nothing_is_known(node, runs, monkeypatch):
    run = runs(gpu_indices=(0, 1))
    node.watch.add(run)
    node.watch.turn(), node.watch.turn()
    assert ended(run).gpu_measured_seconds is None


def test_a_job_that_was_made_to_stand_still_is_not_dead(dead, monkeypatch):
    monkeypatch.setattr(PlacementRun, "suspended", True)
    assert not dead.after(6000).notes


def test_each_word_and_each_report_changes_the_mark(tmp_path):
    marks = [printed(tmp_path)]
    for name in ("log", "report.jsonl", "log.100.limit"):
        with (tmp_path / name).open("a") as file:
            file.write("word\n")
        marks.append(printed(tmp_path))
    assert len(set(marks)) == 4


def test_a_job_without_real_gpus_may_be_silent_for_ever(node, runs):
    assert not node.condition.idle(())


def test_the_thread_goes_on_after_a_look_that_failed(node, monkeypatch, caplog):
    monkeypatch.setattr(monitor, "TURN_SECONDS", 0.01)
    looks = []

    def fail() -> None:
        looks.append(1)
        raise RuntimeError("broken")

    monkeypatch.setattr(node.watch, "turn", fail)
    node.watch.start()
    wait_for(lambda: len(looks) > 1, message="a second look")
    node.watch.close()
    assert "the next one follows" in caplog.text


@pytest.mark.django_db
def test_notes_become_history_once_and_a_stale_attempt_writes_none(tmp_path):
    job = builders.running_job()
    attempt = job.attempts.get()
    claimed = replace(SINGLE, job_id=job.pk, attempt_id=attempt.pk, token=str(attempt.token))
    current, stale = (
        PlacementRun(each, tmp_path, lease_deadline=0) for each in (claimed, replace(claimed, token="old"))
    )
    for run in (current, stale):
        run.note("silent", f"said by {run.claimed.token}")
    events.ship([current, stale])
    events.ship([current, stale])
    assert list(job.events.values_list("kind", "message")) == [("silent", f"said by {attempt.token}")]


def test_a_real_disk_and_a_real_load_make_a_heartbeat(tmp_path):
    hardware = Hardware(cpus=1, memory_mb=1000)
    state = NodeStatus(hardware, Disk([tmp_path], 0), GpuFaults((), tmp_path / "gpus.json"))
    load = state.load()
    assert load["disk_free_mb"] >= 0
    assert (load["disk_full"], load["gpus_out"], load["trespasses"]) == (False, [], [])
