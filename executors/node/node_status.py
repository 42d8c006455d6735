"""How this node is: its load, its disk and its GPUs, as its heartbeats tell."""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pynvml

from workers.hardware.disk import Disk
from workers.hardware.gpu_faults import GpuFaults
from workers.hardware.inventory import Hardware, current_load, gpu_loads
from workers.runtime.foreign_gpu_processes import ForeignProcess, foreign_processes
from workers.runtime.gpu_use import LONGEST_LOOK

log = logging.getLogger(__name__)
FOREIGN_PROCESS_SECONDS = 15.0
"""How often the driver is asked who computes where."""


class NodeStatus:
    """Watched by one thread and told by another; knows no jobs, only the folders of their attempts."""

    def __init__(self, hardware: Hardware, disk: Disk, faults: GpuFaults, nvml: Any = pynvml) -> None:
        self.disk = disk
        self.faults = faults
        self._hardware = hardware
        self._nvml = nvml
        self._loads: Mapping[int, Mapping[str, int]] = {}
        self._loads_at = 0.0
        self._asking = threading.Lock()
        self.measured = False
        self._foreign_processes: Sequence[ForeignProcess] = ()
        self._next_process_look = 0.0

    def load(self) -> dict[str, Any]:
        """For a heartbeat. `disk_full`: it must get no work; `gpus_out`: nor must these of its GPUs."""
        with self._asking:
            load = current_load(self._hardware)
            self._keep(load["gpus"])
        self.measured = True
        return {
            **load,
            "disk_free_mb": self.disk.free_mb(),
            "disk_full": bool(self.disk.problem()),
            "gpus_out": [{"index": index, "reason": words} for index, words in sorted(self.faults.out.items())],
            "trespasses": [
                {"gpu": one.index, "pid": one.pid, "command": one.command, "of_a_job": one.folder is not None}
                for one in self._foreign_processes
            ],
        }

    def look_at_gpus(self, gpu_indices: Sequence[int]) -> None:
        """Ask the driver now, not with the next heartbeat, if one of these GPUs is real: a command begins or ends on them."""
        if self._real(gpu_indices):
            with self._asking:  # one after the other: an earlier answer must not come after a later one
                self._keep(gpu_loads.latest(self._hardware.gpus))

    def _keep(self, loads: Sequence[Mapping[str, int]]) -> None:
        self._loads, self._loads_at = {gpu["index"]: gpu for gpu in loads}, time.monotonic()

    def loads_of(self, gpu_indices: Sequence[int]) -> list[Mapping[str, int]]:
        """What those of these GPUs that tell said last; nothing that is old, as while no heartbeat gets through."""
        if time.monotonic() - self._loads_at > LONGEST_LOOK:
            return []
        return [self._loads[index] for index in gpu_indices if index in self._loads]

    def idle(self, gpu_indices: Sequence[int]) -> bool:
        """Whether these real GPUs did nothing at the last look; what is not known counts as busy."""
        mine = self._real(gpu_indices)
        return bool(mine) and all(self._utilisation(index) == 0 for index in mine)

    def busy(self, gpu_indices: Sequence[int]) -> bool:
        """Whether one of these GPUs certainly did something at the last look."""
        return any(map(self._utilisation, gpu_indices))

    def _utilisation(self, index: int) -> int | None:
        return self._loads.get(index, {}).get("utilisation")

    def _real(self, gpu_indices: Sequence[int]) -> set[int]:
        return {gpu.index for gpu in self._hardware.gpus if not gpu.simulated and gpu.index in gpu_indices}

    def new_foreign_processes(self, holders: Mapping[int, Path]) -> list[ForeignProcess]:
        """Processes that were not on a GPU of others at the last look; at most one look in fifteen seconds."""
        if time.monotonic() < self._next_process_look:
            return []
        self._next_process_look = time.monotonic() + FOREIGN_PROCESS_SECONDS
        folders = {index: str(folder) for index, folder in holders.items()}
        found = foreign_processes(self._hardware.gpus, folders, self._nvml)
        fresh = [one for one in found if one not in self._foreign_processes]
        self._foreign_processes = found  # also those that are known: heartbeats tell of all, the log of each once
        for one in fresh:
            owner = "a job that does not hold it" if one.folder else "no job"
            log.error("Process %d of %s computes on GPU %d: %s", one.pid, owner, one.index, one.command)
        return fresh
