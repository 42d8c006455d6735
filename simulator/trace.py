"""What a trace says of a job, and what is said of a trace that cannot be understood."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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


def check_text(path: Path | str, line: int, words: Iterable[str]) -> None:
    """Raises TraceError where bytes stand that are no UTF-8: an open trace has them as lone surrogates."""
    for word in words:
        if not word.isascii():
            try:
                word.encode()
            except UnicodeEncodeError as error:
                byte = ord(word[error.start]) & 0xFF
                raise TraceError(path, line, f"is no text in UTF-8 (byte {byte:#x}): save it as UTF-8.") from None


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
    never_started: bool = False
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


class MachineSize(NamedTuple):
    """How many processors a trace says that its machine had, and in which field."""

    processors: int
    field: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The jobs of a trace, and what else its file says and was."""

    jobs: tuple[TraceJob, ...]
    machine: MachineSize | None = None
    parts: int = 0  # lines that only repeat a part of a job that was swapped out; passed over
    out_of_order: int = 0  # lines that had to be moved to sort the jobs by their submission
