"""What a trace says of a job, and what is said of a trace that cannot be understood."""

from dataclasses import dataclass
from pathlib import Path

from scheduling.errors import TrainyardError
from scheduling.resources import WHOLE_GPU


class SimulationError(TrainyardError):
    """A simulation that cannot be run as it was asked for."""


class TraceError(SimulationError):
    """A trace that cannot be understood: the file, the line and what would be right."""

    def __init__(self, path: Path | str, line: int | None, message: str) -> None:
        where = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{where}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True)
class TraceJob:
    """A job as its trace has it. Times are in seconds since the trace's own zero; None is unknown.

    `cpus`, `gpus` and `memory_mb` are for all its nodes together; 0 CPUs or GPUs: none asked for.
    """

    id: str
    line: int  # where it stands in its file, for those who look it up
    submit_s: float
    run_s: float | None = None
    walltime_s: float | None = None
    unlimited: bool = False  # it is known to have had no walltime
    cpus: int = 0
    gpus: int = 0
    gpu_milli: int = WHOLE_GPU  # thousandths of its GPU, if it asks for a part of one
    memory_mb: int = 0
    nodes: int = 1
    user: str = ""
    group: str = ""
    priority: int | None = None
    deadline_s: float | None = None

    @property
    def width(self) -> int:
        """How many processors it takes where all are alike: CPUs, or GPUs if it asks for no CPUs."""
        return self.cpus or self.gpus
