"""What commands use while they run: the work and the energy of their GPUs, and their part of the processors' energy."""

import logging
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from django.conf import settings

from executors.node.node_status import NodeStatus
from executors.run.placement_run import PlacementRun
from workers.hardware.cpu_energy import read_packages
from workers.runtime.activity import cpu_seconds_of
from workers.runtime.cpu_energy import CpuEnergy

log = logging.getLogger(__name__)
LOOK_SECONDS = 10.0
"""How often processor time is read and sums are kept on the disk; both cost more than a look at what is known already."""


class Metering:
    """Measures runs from `begin` to `end`, which may be called from any thread. A failure here is no failure of a command."""

    def __init__(self, status: NodeStatus, cpus: CpuEnergy | None = None) -> None:
        self._status = status
        self._cpus = cpus or CpuEnergy(partial(read_packages, Path(settings.POWERCAP)))
        self._runs: dict[int, PlacementRun] = {}
        self._lock = threading.Lock()
        self._next_look = 0.0

    def begin(self, run: PlacementRun) -> None:
        """From now on: what was used before was not by this command."""
        try:
            self._status.look_at_gpus(run.claimed.gpu_indices)
            with self._lock:
                self._share_cpus({})
                if run.measured.recalled:
                    self._cpus.recall(run.placement_id, cpu_seconds_of(run.shim_pid))
                self._runs[run.placement_id] = run
                self._look_at(run)
                run.measured.keep(run.folder)
        except Exception:
            log.exception(
                "What job %d uses is not measured from its beginning.", run.claimed.job_id, extra=run.claimed.ids
            )

    def look(self) -> None:
        """At all that runs."""
        with self._lock:
            for run in self._runs.values():
                self._look_at(run)
            if time.monotonic() < self._next_look:
                return
            self._next_look = time.monotonic() + LOOK_SECONDS
            self._share_cpus({})
            for run in self._runs.values():
                run.measured.keep(run.folder)

    def end(self, run: PlacementRun, cpu_seconds: float | None) -> None:
        """The command has ended, and used so much processor time altogether; None: nobody knows."""
        try:
            self._status.look_at_gpus(run.claimed.gpu_indices)
            with self._lock:
                if run.placement_id in self._runs:
                    self._look_at(run)
                    self._share_cpus({run.placement_id: cpu_seconds})
                    del self._runs[run.placement_id]
        except Exception:
            log.exception("What job %d used is not measured to its end.", run.claimed.job_id, extra=run.claimed.ids)

    def _look_at(self, run: PlacementRun) -> None:
        loads = self._status.loads_of(run.claimed.gpu_indices)
        run.measured.gpu.look(time.monotonic(), loads, excused=run.suspended)

    def _share_cpus(self, ended: Mapping[int, float | None]) -> None:
        """Nobody looks through /proc for energy that cannot be read."""
        if not self._cpus.is_there:
            return
        used = {one: ended[one] if one in ended else cpu_seconds_of(run.shim_pid) for one, run in self._runs.items()}
        shares = self._cpus.look(time.monotonic(), {one: seconds or 0.0 for one, seconds in used.items()})
        for one, run in self._runs.items():
            run.measured.add_cpu(None if shares is None or used[one] is None else shares[one])
