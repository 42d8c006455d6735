"""GPUs as their driver tells of them. The driver is a stand-in where the machine has none; its calls are NVML's."""

from types import SimpleNamespace

import pytest

from workers.gpus import GpuDevice, measure_gpu_load, measure_gpus

MIB = 2**20


class NvmlError(Exception):
    pass


class Driver:
    """NVML with so many GPUs; those in `broken` have fallen off the bus."""

    NVMLError = NvmlError

    def __init__(self, gpus: int, broken: tuple[int, ...] = (), loaded: bool = True) -> None:
        self.gpus, self.broken, self.loaded = gpus, broken, loaded
        self.open = 0

    def nvmlInit(self):  # noqa: N802  NVML's names
        if not self.loaded:
            raise NvmlError("driver not loaded")
        self.open += 1

    def nvmlShutdown(self):  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        return self.gpus

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index in self.broken:
            raise NvmlError("GPU is lost")
        return index

    def nvmlDeviceGetName(self, _):  # noqa: N802
        return "NVIDIA H100"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(total=81559 * MIB, used=(handle + 1) * 1000 * MIB)

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"GPU-{handle}abc"

    def nvmlDeviceGetUtilizationRates(self, handle):  # noqa: N802
        return SimpleNamespace(gpu=10 * handle)


def gpu(index):
    return GpuDevice(index, "NVIDIA H100", 81559, f"GPU-{index}abc")


def test_each_gpu_is_described():
    assert measure_gpus(nvml=Driver(2)) == (gpu(0), gpu(1))


def test_the_driver_is_let_go():
    driver = Driver(1)
    measure_gpus(nvml=driver)
    measure_gpu_load([gpu(0)], nvml=driver)
    assert driver.open == 0


def test_no_driver_no_gpus():
    assert measure_gpus(nvml=Driver(0, loaded=False)) == ()
    assert measure_gpu_load([gpu(0)], nvml=Driver(0, loaded=False)) == []


def test_a_lost_gpu_does_not_hide_the_others(caplog):
    assert measure_gpus(nvml=Driver(3, broken=(1,))) == (gpu(0), gpu(2))
    assert "GPU 1 is left out" in caplog.text


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("2, 0", [0, 2]),
        ("GPU-1", [1]),
        ("GPU-1abc,0", [0, 1]),
    ],
)
def test_only_what_the_agent_itself_may_see_is_offered(visible, indices):
    assert [each.index for each in measure_gpus(visible, nvml=Driver(3))] == indices


def test_load_is_told_of_the_gpus_of_this_node_only():
    load = measure_gpu_load([gpu(1), GpuDevice(7, "simulated", 1, simulated=True)], nvml=Driver(3))
    assert load == [{"index": 1, "utilisation": 10, "memory_used_mb": 2000}]


def test_a_gpu_that_does_not_answer_has_no_load():
    assert measure_gpu_load([gpu(0), gpu(1)], nvml=Driver(2, broken=(0,))) == [
        {"index": 1, "utilisation": 10, "memory_used_mb": 2000}
    ]
