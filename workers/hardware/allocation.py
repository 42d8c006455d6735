"""What a batch job of Slurm was given of its node, and until when: read from the variables that Slurm sets for it.

Where Slurm fences nothing, a process sees the whole node and may use its part of it alone; so what it sees is not asked.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

NO_GPUS = ""


class Allocation(NamedTuple):
    """Infinite where Slurm does not say how much."""

    cpus: float = math.inf
    memory_mb: float = math.inf
    gpus: str = NO_GPUS
    """Written as CUDA_VISIBLE_DEVICES is."""
    ends_at: float = math.inf
    """When Slurm ends the job, in seconds since the epoch."""


def of_slurm(environment: Mapping[str, str]) -> Allocation | None:
    """Of the job that this process is part of; None outside of any."""
    if not environment.get("SLURM_JOB_ID"):
        return None
    cpus = _number(environment, "SLURM_CPUS_ON_NODE")
    return Allocation(
        cpus=cpus,
        memory_mb=_memory_mb(environment, cpus),
        gpus=_gpus(environment),
        ends_at=_number(environment, "SLURM_JOB_END_TIME"),
    )


def _memory_mb(environment: Mapping[str, str], cpus: float) -> float:
    """`--mem=0` stands for all that the node has."""
    of_node = _number(environment, "SLURM_MEM_PER_NODE")
    return min(of_node, _number(environment, "SLURM_MEM_PER_CPU") * cpus)


def _gpus(environment: Mapping[str, str]) -> str:
    """What CUDA would show; where Slurm counts GPUs and sets no such variable, it gave these, or none."""
    names = ("CUDA_VISIBLE_DEVICES", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
    return next((environment[name] for name in names if name in environment), NO_GPUS)


def _number(environment: Mapping[str, str], name: str) -> float:
    text = environment.get(name, "")
    return float(text) if text.isdigit() and int(text) > 0 else math.inf
