"""What a machine offers: measured here, or declared."""

import os
import socket

import pytest

from scheduling.errors import InvalidError
from workers.hardware.inventory import GpuDevice, Hardware, current_load, declare, inventory

REAL = GpuDevice(0, "NVIDIA H100", 81559, "GPU-aaa")
MEASURED = Hardware(cpus=8, memory_mb=32768, gpus=(REAL,), hostname="host")


def test_this_machine_is_measured():
    hardware = inventory()
    assert 1 <= hardware.cpus <= (os.cpu_count() or 1)
    assert hardware.memory_mb > 256
    assert hardware.hostname == socket.gethostname()


def test_only_the_processors_that_the_agent_may_use_are_offered():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert inventory().cpus == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_nothing_declared_is_as_measured():
    assert declare(MEASURED) == MEASURED


def test_processors_and_memory_can_be_declared():
    declared = declare(MEASURED, cpus=2, memory_gb=1.5)
    assert (declared.cpus, declared.memory_mb, declared.gpus) == (2, 1536, (REAL,))


def test_gpus_beyond_the_measured_ones_are_simulated_and_say_so():
    first, second = declare(MEASURED, gpus=2).gpus
    assert first == REAL
    assert second == GpuDevice(1, "simulated", 16384, simulated=True)


def test_simulated_gpus_may_have_a_model_and_memory():
    gpus = declare(Hardware(1, 1024), gpus=2, gpu_model="H100", gpu_memory_gb=80).gpus
    assert gpus == tuple(GpuDevice(index, "H100", 81920, simulated=True) for index in (0, 1))


def test_fewer_gpus_may_be_offered_than_there_are():
    assert declare(MEASURED, gpus=0).gpus == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [("cpus", 0), ("cpus", -1), ("memory_gb", 0), ("memory_gb", float("nan")), ("gpus", -1), ("gpu_memory_gb", -2)],
)
def test_nonsense_is_refused_by_the_name_of_its_field(field, value):
    with pytest.raises(InvalidError) as refused:
        declare(MEASURED, **{field: value})
    assert [error.field for error in refused.value.errors] == [field]


def test_gpus_are_written_as_a_node_keeps_them():
    assert MEASURED.gpus_json() == [
        {"index": 0, "model": "NVIDIA H100", "memory_mb": 81559, "uuid": "GPU-aaa", "simulated": False}
    ]


def test_the_load_of_this_machine():
    load = current_load(inventory())
    assert load["memory_used_mb"] > 0
    assert 0 <= load["cpu_percent"] <= 100
    assert isinstance(load["gpus"], list)
