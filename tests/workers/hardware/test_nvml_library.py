"""NVIDIA's own bindings over a library that answers as its driver does: structures, versions, errors, threads.

What the other tests' stand-in (`tests/workers/nvml.py`) says is held against it, so that it says what the bindings say.
"""

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.acceptance.platform import ROOT
from tests.workers.nvml import Driver
from tests.workers.nvml_library import NvmlLibrary
from workers.hardware.gpus import GpuLoads, detect_gpus
from workers.runtime.foreign_gpu_processes import processes

UUIDS = ("GPU-0abc", "GPU-1abc")


@pytest.fixture
def library(tmp_path) -> NvmlLibrary:
    found = NvmlLibrary(tmp_path)
    for number, uuid in enumerate(UUIDS):
        found.add_gpu(uuid, memory_used=(number + 1) * 1000 * 2**20, utilisation=10 * number)
    return found


def said(library: NvmlLibrary, script: str) -> Any:
    """What a Python of its own prints as JSON, which finds that library and no other."""
    begin = "import json\nfrom workers.hardware.gpus import GpuLoads, detect_gpus\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + script],
        cwd=ROOT,
        env={**os.environ, **library.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


INVENTORY = """
import dataclasses
print(json.dumps([dataclasses.asdict(gpu) for gpu in detect_gpus()]))
"""
LOADS = "print(json.dumps(GpuLoads().latest(detect_gpus(), patience=30)))"
PROCESSES = """
import pynvml
from workers.runtime.foreign_gpu_processes import processes
print(json.dumps(processes({gpu.uuid: gpu.index for gpu in detect_gpus()}, pynvml)))
"""


def test_the_bindings_say_what_the_stand_in_says(library):
    driver = Driver(2)
    driver.energy, driver.power, driver.temperature = {0: 5_000_000_000}, {0: 350_000}, {0: 61}
    driver.ecc_errors, driver.running = {0: 2}, {0: [1, 4711], 1: list(range(100, 120))}
    library.set(0, energy_mj=5_000_000_000, power_mw=350_000, temperature=61, ecc_uncorrected=2, processes="1 4711")
    library.set(1, processes=" ".join(map(str, range(100, 120))))
    for name in ("energy_mj", "power_mw", "temperature", "ecc_uncorrected"):
        (library.folder / "1" / name).unlink()
    gpus = detect_gpus(nvml=driver)

    assert said(library, INVENTORY) == [dataclasses.asdict(gpu) for gpu in gpus]
    assert said(library, LOADS) == GpuLoads(driver).latest(gpus)
    assert [tuple(one) for one in said(library, PROCESSES)] == processes({gpu.uuid: gpu.index for gpu in gpus}, driver)


def test_a_driver_that_is_not_loaded_has_no_gpus(library):
    (library.folder / "unloaded").touch()

    assert said(library, INVENTORY) == []


def test_a_gpu_that_fell_off_the_bus_does_not_hide_the_others(library):
    (library.folder / "0" / "lost").touch()

    assert [gpu["uuid"] for gpu in said(library, INVENTORY)] == ["GPU-1abc"]
    assert [load["index"] for load in said(library, LOADS)] == [1]


HANGING = """
import os, pathlib, sys, time
loads, gpus, hang = GpuLoads(), detect_gpus(), pathlib.Path(os.environ["FAKE_NVML"], "hang")
hang.touch()
while_it_hangs = [loads.latest(gpus, patience=0.2), loads.latest(gpus, patience=0)]
hang.unlink()
print(json.dumps([while_it_hangs, loads.latest(gpus, patience=30)]))
"""


def test_a_driver_that_hangs_in_its_own_code_stops_no_other_thread(library):
    while_it_hangs, after = said(library, HANGING)

    assert while_it_hangs == [[], []]
    assert [load["index"] for load in after] == [0, 1]


FAULTS = """
import os, pathlib, time
from workers.hardware.gpu_faults import GpuFaults
folder = pathlib.Path(os.environ["FAKE_NVML"])
def listening():
    return GpuFaults(detect_gpus(), folder / "errors.json")
faults = listening()
faults.start()
found = []
for xid in (13, 79):
    (folder / "1" / "next").write_text(str(xid))
    (folder / "1" / "next").rename(folder / "1" / "xid")
    while (folder / "1" / "xid").exists():
        time.sleep(0.01)
while not found:
    found = faults.new_faults()
    time.sleep(0.01)
print(json.dumps([[one.index, one.xid] for one in found] + [sorted(listening().out.items())]))
"""


def test_an_error_that_the_driver_reports_puts_its_gpu_out_and_a_programs_own_does_not(library):
    fault, known_to_the_next_agent = said(library, FAULTS)

    assert fault == [1, 79]
    assert known_to_the_next_agent == [[1, "GPU 1 reported Xid 79: it has fallen off the bus."]]
