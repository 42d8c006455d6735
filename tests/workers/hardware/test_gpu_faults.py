"""Errors that GPUs report, and processes on GPUs that are not theirs. The driver is a stand-in; its calls are NVML's."""

import os
from pathlib import Path

import pytest

from tests.waiting import wait_for
from tests.workers.nvml import Driver, gpu
from workers.hardware import gpu_faults
from workers.hardware.gpu_faults import GpuFault, GpuFaults
from workers.runtime.foreign_gpu_processes import ForeignProcess, foreign_processes


@pytest.fixture
def listening(tmp_path):
    """Starts to listen to a driver."""
    started = []

    def listen(driver: Driver, *gpus) -> GpuFaults:
        faults = GpuFaults(gpus or [gpu(index) for index in range(driver.gpus)], tmp_path / "gpus.json", driver)
        faults.start()
        started.append(faults)
        return faults

    yield listen
    for each in started:
        each.close()


def heard(faults: GpuFaults) -> list[GpuFault]:
    return wait_for(faults.new_faults, message="an error")


def test_an_error_of_the_hardware_takes_the_gpu_out(listening):
    driver = Driver(2)
    faults = listening(driver)
    driver.xid(1, 79)
    assert heard(faults) == [GpuFault(1, 79)]
    assert faults.out == {1: "GPU 1 reported Xid 79: it has fallen off the bus."}
    assert faults.new_faults() == []


@pytest.mark.parametrize("xid", [13, 31, 43, 45, 68, 109])
def test_an_error_that_a_program_makes_accuses_no_gpu(listening, xid, caplog):
    driver = Driver(1)
    faults = listening(driver)
    driver.xid(0, xid)
    driver.xid(0, 48)
    assert heard(faults) == [GpuFault(0, 48)]
    assert f"Xid {xid}, which accuses a program" in caplog.text


@pytest.mark.parametrize(("xid", "ends"), [(48, True), (95, True), (119, True), (63, False), (92, False)])
def test_a_job_goes_on_where_the_gpu_still_computes_right(xid, ends):
    assert GpuFault(0, xid).ends_job == ends


def test_events_of_another_kind_and_of_gpus_that_are_not_ours_say_nothing(listening):
    driver = Driver(3)
    faults = listening(driver, gpu(1), gpu(7, simulated=True))
    driver.xid(0, 79)
    driver.xid(1, 79, event_type=1)
    driver.xid(1, 95)
    assert heard(faults) == [GpuFault(1, 95)]


def test_what_is_out_stays_out_when_the_agent_starts_again(listening):
    driver = Driver(2)
    first = listening(driver)
    driver.xid(0, 64)
    heard(first)
    assert listening(Driver(2)).out == first.out
    assert listening(Driver(2)).new_faults() == []


def test_a_machine_that_was_started_again_begins_anew(listening, monkeypatch):
    driver = Driver(1)
    faults = listening(driver)
    driver.xid(0, 64)
    heard(faults)
    monkeypatch.setattr(gpu_faults, "boot", lambda: "another")
    assert listening(Driver(1)).out == {}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"boot": 1, "out": 3}'], ids=repr)
def test_a_broken_file_says_nothing(listening, tmp_path, content, monkeypatch):
    monkeypatch.setattr(gpu_faults, "boot", lambda: 1)
    (tmp_path / "gpus.json").write_text(content)
    assert listening(Driver(1)).out == {}


def test_a_driver_that_fails_is_asked_again(listening, monkeypatch, caplog):
    monkeypatch.setattr(gpu_faults, "RETRY_SECONDS", 0.01)
    driver = Driver(1)
    driver.lost.set()
    faults = listening(driver)
    wait_for(lambda: "does not tell of errors" in caplog.text, message="the failure")
    driver.lost.clear()
    driver.xid(0, 48)
    assert heard(faults) == [GpuFault(0, 48)]


def test_a_machine_without_real_gpus_listens_to_nobody(listening):
    driver = Driver(1)
    listening(driver, gpu(0, simulated=True))
    assert (driver.open, driver.registered) == (0, [])


@pytest.fixture
def proc(tmp_path):
    """Processes as /proc shows them: with an environment and a command line."""

    def process(pid: int, environment: bytes) -> None:
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "environ").write_bytes(environment)
        (tmp_path / str(pid) / "cmdline").write_bytes(b"python\0train.py\0")

    process(11, b"PATH=/bin\0TRAINYARD_SHIM_FOLDER=/home/1\0A=b\0")
    process(12, b"TRAINYARD_SHIM_FOLDER=/home/2\0")
    process(99, b"HOME=/root\0")
    return tmp_path


def seen(driver: Driver, proc: Path, holders: dict[int, str]) -> list[ForeignProcess]:
    return foreign_processes([gpu(index) for index in range(driver.gpus)], holders, driver, proc)


def test_who_is_where_it_belongs_is_not_reported(proc):
    driver = Driver(2)
    driver.running = {0: [11], 1: [12]}
    assert seen(driver, proc, {0: "/home/1", 1: "/home/2"}) == []
    assert driver.open == 0


def test_a_job_on_the_gpu_of_another_is_reported_with_its_own_folder(proc):
    driver = Driver(2)
    driver.running = {0: [11, 12], 1: [12]}
    found = seen(driver, proc, {0: "/home/1", 1: "/home/2"})
    assert found == [ForeignProcess(0, 12, "python train.py", "/home/2")]


def test_a_process_that_is_no_job_s_is_reported_and_so_is_one_on_a_free_gpu(proc):
    driver = Driver(2)
    driver.running = {0: [99], 1: [11]}
    found = seen(driver, proc, {0: "/home/1"})
    assert [(one.index, one.pid, one.folder) for one in found] == [(0, 99, None), (1, 11, "/home/1")]


def test_a_process_that_cannot_be_seen_from_here_is_left_out(proc):
    driver = Driver(1)
    driver.running = {0: [4242, os.getpid()]}
    assert seen(driver, proc, {}) == []


def test_a_lost_gpu_and_a_missing_driver_tell_nothing(proc):
    broken = Driver(2, broken=(0,))
    broken.running = {0: [99], 1: [99]}
    assert [one.index for one in seen(broken, proc, {})] == [1]
    assert seen(Driver(1, loaded=False), proc, {}) == []
