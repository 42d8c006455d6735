"""GPUs as their driver tells of them. The driver is a stand-in where the machine has none; its calls are NVML's."""

import pytest

from tests.waiting import wait_for
from tests.workers.nvml import Driver, gpu
from workers.hardware.gpus import GpuDevice, GpuLoads, detect_gpus, file_numbers


def test_each_gpu_is_described():
    assert detect_gpus(nvml=Driver(2)) == (gpu(0), gpu(1))


def test_the_driver_is_let_go():
    driver = Driver(1)
    detect_gpus(nvml=driver)
    GpuLoads(driver).latest([gpu(0)])
    assert driver.open == 0


def test_no_driver_no_gpus():
    assert detect_gpus(nvml=Driver(0, loaded=False)) == ()
    assert GpuLoads(Driver(0, loaded=False)).latest([gpu(0)]) == []


def test_a_lost_gpu_does_not_hide_the_others(caplog):
    assert detect_gpus(nvml=Driver(3, broken=(1,))) == (gpu(0), gpu(2))
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
    assert [each.index for each in detect_gpus(visible, nvml=Driver(3))] == indices


def test_load_is_told_of_the_gpus_of_this_node_only():
    load = GpuLoads(Driver(3)).latest([gpu(1), GpuDevice(7, "simulated", 1, simulated=True)])
    assert load == [{"index": 1, "utilisation": 10, "memory_used_mb": 2000}]


def test_a_gpu_that_does_not_answer_has_no_load():
    assert GpuLoads(Driver(2, broken=(0,))).latest([gpu(0), gpu(1)]) == [
        {"index": 1, "utilisation": 10, "memory_used_mb": 2000}
    ]


def test_a_driver_that_hangs_does_not_hold_up_the_heartbeat():
    driver = Driver(1)
    loads = GpuLoads(driver)
    driver.answers.clear()
    assert loads.latest([gpu(0)], patience=0.05) == loads.latest([gpu(0)], patience=0) == []
    driver.answers.set()
    assert wait_for(lambda: loads.latest([gpu(0)]), message="the driver")[0]["index"] == 0
    assert driver.open == 0


def test_a_driver_that_cannot_count_has_no_gpus():
    assert detect_gpus(nvml=Driver(-1)) == ()


def test_what_a_gpu_does_not_measure_is_left_out():
    driver = Driver(2)
    driver.energy, driver.power = {0: 123_456}, {1: 70_000}
    first, second = GpuLoads(driver).latest([gpu(0), gpu(1)])
    assert (first.get("energy_mj"), first.get("power_mw")) == (123_456, None)
    assert (second.get("energy_mj"), second.get("power_mw")) == (None, 70_000)


def test_a_gpu_in_parts_has_no_use_as_a_whole_but_energy(monkeypatch):
    driver = Driver(1)
    driver.energy = {0: 5}

    def not_supported(_):
        raise driver.NVMLError("not supported", 3)

    monkeypatch.setattr(driver, "nvmlDeviceGetUtilizationRates", not_supported)
    assert GpuLoads(driver).latest([gpu(0)]) == [{"index": 0, "memory_used_mb": 1000, "energy_mj": 5}]


def test_the_real_driver_tells_what_the_stand_in_does():
    real = detect_gpus()
    if not real:
        pytest.skip("This machine has no NVIDIA GPU, or its driver is not loaded.")
    loads = GpuLoads()
    before, after = loads.latest(real, patience=10), loads.latest(real, patience=10)
    assert [each["index"] for each in before] == [each.index for each in real]
    for first, second in zip(before, after, strict=True):
        assert 0 <= second.get("utilisation", 0) <= 100
        assert second["memory_used_mb"] >= 0
        assert second.get("energy_mj", 0) >= first.get("energy_mj", 0)
        assert 0 < second.get("power_mw", 1) < 3_000_000


def test_each_gpu_has_its_own_file_whatever_its_index():
    driver = Driver(3)
    driver.minors = {0: 2, 1: 0, 2: 1}
    assert file_numbers([gpu(0), gpu(1), GpuDevice(7, "simulated", 1, simulated=True)], driver) == {0: 2, 1: 0}


def test_where_one_does_not_tell_its_file_nothing_is_known():
    driver = Driver(2)
    driver.minors = {0: 0}
    assert file_numbers([gpu(0), gpu(1)], driver) is None
    assert file_numbers([GpuDevice(0, "simulated", 1, simulated=True)], Driver(0, loaded=False)) == {}
