"""The environment that shows a command its own share."""

from workers.hardware.gpus import GpuDevice
from workers.runtime.environment import environment

REAL = [GpuDevice(3, "NVIDIA H100", 81559, "GPU-aaa"), GpuDevice(1, "NVIDIA H100", 81559, "GPU-bbb")]


def test_real_gpus_are_named_by_uuid():
    assert environment(cpus=4, gpus=REAL)["CUDA_VISIBLE_DEVICES"] == "GPU-aaa,GPU-bbb"


def test_simulated_gpus_are_named_by_index():
    simulated = [GpuDevice(index, "simulated", 1024, simulated=True) for index in (2, 5)]
    assert environment(cpus=4, gpus=simulated)["CUDA_VISIBLE_DEVICES"] == "2,5"


def test_a_job_without_gpus_sees_none():
    variables = environment(cpus=4)
    assert tuple(
        variables[name] for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
    ) == ("", "", "void")


def test_numeric_libraries_start_as_many_threads_as_the_job_has_cpus():
    threads = {value for name, value in environment(cpus=6).items() if name.endswith("_THREADS")}
    assert threads == {"6"}


def test_gpus_are_counted_by_their_place_in_the_machine():
    assert environment(cpus=1, gpus=REAL)["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
