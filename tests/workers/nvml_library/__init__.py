"""A shared library that answers as NVIDIA's NVML does, for the real bindings (nvidia-ml-py) in real processes, without a GPU.

It stands for the driver's side of the calls that the agent makes: their names, versions, structures, error codes and errors
before `nvmlInit`; that a call blocks one thread and not the interpreter; figures that a test, or a job, changes as it goes.

It does not prove that a GPU does anything: that CUDA shows a process the GPU that a UUID names, that two jobs do not see
each other's memory, that counters count as NVIDIA says, when a real driver reports an Xid or hangs, how MIG, MPS or vGPU
answer, nor that NVIDIA's library of any version behaves as `nvml.c` does. That needs a GPU: see the last test in
`tests/workers/hardware/test_gpus.py`, which is skipped where there is none.

May import nothing of ours.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).with_name("nvml.c")
MIB = 2**20
FIGURES = {
    "name": "NVIDIA H100",
    "memory_total": 81559 * MIB,
    "memory_used": 1000 * MIB,
    "utilisation": 0,
    "energy_mj": 1_000_000,
    "power_mw": 70_000,
    "temperature": 40,
    "ecc_uncorrected": 0,
    "processes": "",
}


class NvmlLibrary:
    """A library in a folder of its own, and the figures that it answers with. The folder lies where jobs can write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "driver"
        self._library = folder / "lib" / "libnvidia-ml.so.1"
        for made in (self.folder, self._library.parent):
            made.mkdir(parents=True)
        words = ["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", str(self._library), str(SOURCE)]
        subprocess.run([compiler(), *words], check=True, capture_output=True)

    @property
    def environment(self) -> Mapping[str, Any]:
        """With this a process that loads NVML loads this one."""
        paths = filter(None, (str(self._library.parent), os.environ.get("LD_LIBRARY_PATH", "")))
        return {"LD_LIBRARY_PATH": os.pathsep.join(paths), "FAKE_NVML": str(self.folder)}

    def add_gpu(self, uuid: str, **figures: object) -> Path:
        """One more GPU, after those that there are; its figures lie in the folder. None: it does not tell that one."""
        number = sum(each.is_dir() for each in self.folder.iterdir())
        gpu = self.folder / str(number)
        gpu.mkdir()
        for name, value in {**FIGURES, "minor": number, **figures, "uuid": uuid}.items():
            if value is not None:
                write(gpu / name, value)
        return gpu

    def set(self, index: int, **figures: object) -> None:
        for name, value in figures.items():
            write(self.folder / str(index) / name, value)


def write(file: Path, value: object) -> None:
    """At once: whoever reads meanwhile reads the old or the new one."""
    draft = file.with_name(f".{file.name}")
    draft.write_text(f"{value}\n", encoding="ascii")
    draft.replace(file)


def compiler() -> str:
    """A C compiler; without one the test is skipped, and says so."""
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler (gcc or cc) to build the stand-in for libnvidia-ml.so.1 with")
    return found
