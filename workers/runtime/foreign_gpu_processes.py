"""Processes on GPUs that are not theirs: reported, never killed. The environment hides GPUs, it does not lock them."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pynvml

from workers.hardware.gpus import GpuDevice, driver
from workers.runtime.process_tree import MARKER

WORDS_LENGTH = 100


@dataclass(frozen=True, slots=True)
class ForeignProcess:
    """A process on a GPU that its job does not hold. `folder` is that of its attempt; None: it is no job's at all."""

    index: int
    pid: int
    command: str
    folder: str | None


def foreign_processes(
    gpus: Sequence[GpuDevice], holders: Mapping[int, str], nvml: Any = pynvml, proc: Path = Path("/proc")
) -> list[ForeignProcess]:
    """Those on real GPUs now; `holders` names the attempt's folder by GPU. Processes that cannot be seen are left out.

    A process of this very agent is none: it only asks.
    """
    found = []
    for index, pid in processes({gpu.uuid: gpu.index for gpu in gpus if not gpu.simulated}, nvml):
        environment = read(proc / str(pid) / "environ")
        if environment is None or pid == os.getpid():
            continue
        folder = folder_in(environment)
        if folder is None or folder != holders.get(index):
            found.append(ForeignProcess(index, pid, command_of(proc / str(pid)), folder))
    return found


def processes(real: Mapping[str, int], nvml: Any) -> list[tuple[int, int]]:
    """(GPU, process id) of whatever computes on these GPUs, as the driver tells."""
    found = []
    if not real:
        return []
    with driver(nvml) as count:
        for position in range(count):
            with contextlib.suppress(nvml.NVMLError):  # a lost GPU, or a driver that does not tell
                handle = nvml.nvmlDeviceGetHandleByIndex(position)
                index = real.get(nvml.nvmlDeviceGetUUID(handle))
                if index is not None:
                    found += [(index, one.pid) for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)]
    return found


def folder_in(environment: bytes) -> str | None:
    mark = f"{MARKER}=".encode()
    marked = (line for line in environment.split(b"\0") if line.startswith(mark))
    line = next(marked, None)
    return None if line is None else os.fsdecode(line.removeprefix(mark))


def command_of(folder: Path) -> str:
    words = (read(folder / "cmdline") or b"").replace(b"\0", b" ").decode(errors="replace").strip()
    return words[:WORDS_LENGTH]


def read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
