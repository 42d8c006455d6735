"""What one placement's command used, as far as this node measures it; kept beside its other files for the next agent."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.runtime.gpu_use import GpuUse
from workers.runtime.process import replace_file

USE = "use.json"


class Measured:
    """Of a command that holds so many GPUs."""

    def __init__(self, gpus: int) -> None:
        self.gpu = GpuUse(held=gpus)
        self.cpu_joules: float | None = None
        self.cpu_partial = False
        self.recalled = False  # the command was begun under an earlier agent

    def add_cpu(self, joules: float | None) -> None:
        """What its processors used since the last time; None: nobody knows."""
        if joules is None:
            self.cpu_partial = True
        else:
            self.cpu_joules = (self.cpu_joules or 0.0) + joules

    def outcome(self, now: float) -> Mapping[str, Any]:
        """As a `PlacementOutcome` tells it; None of what nobody measured, never 0."""
        gpu = self.gpu
        gpu_joules, gpu_partial = gpu.energy(now) if gpu.held else (None, False)
        return {
            "gpu_measured_seconds": gpu.measured or None,
            "gpu_busy_seconds": gpu.busy if gpu.measured else None,
            "gpu_idle_seconds": gpu.idle if gpu.measured else None,
            "gpu_peak_memory_mb": gpu.peak_memory_mb,
            "gpu_joules": gpu_joules,
            "cpu_joules": self.cpu_joules,
            "energy_partial": gpu_partial or self.cpu_partial or self.cpu_joules is None,
        }

    def keep(self, folder: Path) -> None:
        """On a full disk it stays unsaid: the next agent then goes on from an earlier time."""
        data = {"gpu": self.gpu.as_data(), "cpu_joules": self.cpu_joules}
        with contextlib.suppress(OSError):
            replace_file(folder / USE, json.dumps(data))

    def recall(self, folder: Path) -> None:
        """Go on where an earlier agent stopped. What processors used meanwhile nobody knows; GPUs count on by themselves."""
        self.recalled = self.cpu_partial = True
        try:
            data = json.loads((folder / USE).read_text(encoding="utf-8"))
            self.gpu, self.cpu_joules = GpuUse.from_data(data["gpu"]), data["cpu_joules"]
        except (OSError, AttributeError, KeyError, TypeError, ValueError):
            self.gpu.partial = True  # the earlier agent kept nothing: it was of an earlier release
