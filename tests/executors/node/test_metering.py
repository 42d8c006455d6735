"""What commands use while they run, as their node measures it, also over a restart of its agent."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from executors.node import metering, node_status
from executors.node.metering import Metering
from executors.node.node_status import NodeStatus
from executors.run import state_files
from executors.run.placement_run import PlacementRun
from tests.executors.run.test_placement_run import SINGLE
from tests.workers.nvml import Driver, gpu
from workers.hardware.cpu_energy import Counter
from workers.hardware.gpus import GpuLoads
from workers.hardware.inventory import Hardware
from workers.runtime.cpu_energy import CpuEnergy
from workers.runtime.process import CommandResult


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node with two GPUs and a package, all counted; its clock, its counters and its jobs' processor time are the test's."""
    driver = Driver(2)
    driver.energy = {0: 1_000_000, 1: 1_000_000}
    world: Any = SimpleNamespace(now=1000.0, driver=driver, joules=0, cpu_seconds={}, readable=True)
    clock = SimpleNamespace(monotonic=lambda: world.now)
    for module in (metering, node_status):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr("executors.run.placement_run.time", clock)
    monkeypatch.setattr(metering, "cpu_seconds_of", lambda pid: world.cpu_seconds.get(pid, 0.0))
    monkeypatch.setattr(node_status, "gpu_loads", GpuLoads(driver))
    hardware = Hardware(cpus=8, memory_mb=1000, gpus=(gpu(0), gpu(1)))

    def read():
        return {"intel-rapl:0": Counter(world.joules * 10**6, 10**12)} if world.readable else {}

    def agent() -> Metering:
        status = NodeStatus(hardware, SimpleNamespace(), SimpleNamespace(), driver)  # type: ignore[arg-type]
        return Metering(status, CpuEnergy(read))

    def run(number: int, *gpus: int, recalled: bool = False) -> PlacementRun:
        folder = tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        made = PlacementRun(replace(SINGLE, placement_id=number, gpu_indices=gpus), folder, lease_deadline=0)
        monkeypatch.setattr(PlacementRun, "shim_pid", property(lambda self: self.placement_id))
        if recalled:
            made.measured.recall(folder)
        return made

    def passes(
        seconds: float, *, gpu_joules: float = 0, cpu_joules: int = 0, cpu_seconds: dict[int, float] | None = None
    ):
        world.now += seconds
        world.joules += cpu_joules
        driver.energy = {one: counter + int(gpu_joules * 1000) for one, counter in driver.energy.items()}
        for pid, used in (cpu_seconds or {}).items():
            world.cpu_seconds[pid] = world.cpu_seconds.get(pid, 0.0) + used

    world.agent, world.run, world.passes = agent, run, passes
    return world


def ended(run: PlacementRun):
    return run.outcome(CommandResult("exited", 0, "", started_at=1.0, ended_at=2.0))


def test_a_command_has_the_energy_of_its_gpus_from_its_beginning_to_its_end(node):
    agent, run = node.agent(), node.run(1, 0)
    node.passes(5, gpu_joules=300)
    agent.begin(run)
    node.passes(5, gpu_joules=200)
    agent.end(run, 1.0)
    node.passes(5, gpu_joules=300)
    outcome = ended(run)
    assert (outcome.gpu_joules, outcome.gpu_peak_memory_mb) == (200, 1000)


def test_the_processors_energy_is_shared_by_processor_time(node):
    agent, first, second = node.agent(), node.run(1), node.run(2)
    agent.begin(first)
    agent.begin(second)
    node.passes(10, cpu_joules=900, cpu_seconds={1: 2.0, 2: 1.0})
    agent.look()
    node.passes(10, cpu_joules=100, cpu_seconds={1: 4.0})
    agent.end(first, 6.0)
    agent.end(second, 1.0)
    assert (ended(first).cpu_joules, ended(second).cpu_joules) == (700, 300)
    assert not ended(first).energy_partial
    assert ended(first).gpu_joules is None


def test_where_counters_cannot_be_read_nothing_is_known_and_nobody_looks_through_proc(node, monkeypatch):
    node.readable = False
    monkeypatch.setattr(metering, "cpu_seconds_of", lambda _: pytest.fail("looked"))
    agent, run = node.agent(), node.run(1, 0)
    agent.begin(run)
    node.passes(10, gpu_joules=5)
    agent.look()
    agent.end(run, 1.0)
    assert (ended(run).cpu_joules, ended(run).gpu_joules, ended(run).energy_partial) == (None, 5, True)


def test_a_command_of_which_nobody_knows_its_processor_time_has_less_than_all(node):
    agent, run = node.agent(), node.run(1)
    agent.begin(run)
    node.passes(10, cpu_joules=50, cpu_seconds={1: 1.0})
    agent.look()
    agent.end(run, None)
    assert (ended(run).cpu_joules, ended(run).energy_partial) == (50, True)


def test_the_next_agent_goes_on_and_misses_only_what_processors_used_meanwhile(node):
    agent, run = node.agent(), node.run(1, 1)
    agent.begin(run)
    node.passes(10, gpu_joules=100, cpu_joules=50, cpu_seconds={1: 1.0})
    agent.look()
    node.passes(200, gpu_joules=1000, cpu_joules=500, cpu_seconds={1: 100.0})

    agent, run = node.agent(), node.run(1, 1, recalled=True)
    agent.begin(run)
    node.passes(10, gpu_joules=30, cpu_joules=7, cpu_seconds={1: 1.0})
    agent.end(run, 102.0)

    outcome = ended(run)
    assert (outcome.gpu_joules, outcome.cpu_joules, outcome.energy_partial) == (1130, 57, True)
    assert outcome.gpu_measured_seconds == 20


def test_what_a_command_used_before_the_restart_takes_nothing_from_the_others(node):
    node.passes(5, cpu_seconds={1: 5000.0})
    agent, old, new = node.agent(), node.run(1, recalled=True), node.run(2)
    agent.begin(new)
    agent.begin(old)
    node.passes(10, cpu_joules=40, cpu_seconds={1: 3.0, 2: 1.0})
    agent.look()
    assert (old.measured.cpu_joules, new.measured.cpu_joules) == (30, 10)


def test_idle_time_goes_on_over_a_restart(node):
    agent, run = node.agent(), node.run(1, 0)
    agent.begin(run)
    node.passes(10)
    agent.look()
    node.passes(20)
    agent, run = node.agent(), node.run(1, 0, recalled=True)
    agent.begin(run)
    gpu = run.measured.gpu
    assert gpu.measured_at - gpu.active_at == 30


def test_a_command_of_an_agent_that_kept_nothing_is_known_from_now_on(node):
    agent, run = node.agent(), node.run(1, 0, recalled=True)
    agent.begin(run)
    node.passes(10, gpu_joules=30)
    agent.end(run, None)
    assert (ended(run).gpu_joules, ended(run).energy_partial) == (30, True)


@pytest.mark.parametrize("content", ["", "[]", '{"gpu": {"held": 1, "more": 2}}', '{"gpu": {}, "cpu_joules": 1}'])
def test_what_an_earlier_agent_kept_and_cannot_be_read_ends_nothing(node, content):
    (node.run(1, 0).folder / "use.json").write_text(content)
    run = node.run(1, 0, recalled=True)
    assert (run.measured.gpu.held, run.measured.gpu.partial) == (1, True)


def test_a_failure_to_measure_is_no_failure_of_the_command(node, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("the driver is odd")

    monkeypatch.setattr(NodeStatus, "look_at_gpus", broken)
    agent, run = node.agent(), node.run(1, 0)
    agent.begin(run)
    agent.end(run, 1.0)
    assert "is not measured from its beginning" in caplog.text
    assert ended(run).gpu_joules is None


def test_an_end_that_the_next_agent_tells_has_its_energy_with_it(node):
    agent, run = node.agent(), node.run(1, 0)
    agent.begin(run)
    node.passes(5, gpu_joules=200)
    agent.end(run, 1.0)
    outcome = ended(run)
    state_files.write_outcome(run.folder, outcome)
    assert state_files.read_outcome(run.folder) == outcome
