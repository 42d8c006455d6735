"""What holding machines counts for in fair share: charged seconds, worth half after each half-life."""

import math

from scheduling.resources import Resources

CPUS_A_GPU = 8
"""So many CPUs count like one GPU. Of a job that holds both, the dearer counts (Slurm's MAX_TRES)."""


def gpu_equivalents(amount: Resources) -> float:
    """How many GPUs holding this counts as, wherever jobs are charged or compared. Memory counts for nothing."""
    return max(amount.all_gpus, amount.cpus / CPUS_A_GPU)


def time_constant(half_life_seconds: float) -> float:
    """The time in which what was used falls to 1/e: the half-life over ln 2."""
    return half_life_seconds / math.log(2)


def decayed_seconds(seconds: float, half_life_seconds: float) -> float:
    """What holding one GPU for so long is worth at the end, each moment of it decayed since: at most one lifetime.

    The parts of a time add up: what accrued in the first, decayed over the second, and what accrued in the second.
    """
    life = time_constant(half_life_seconds)
    return -life * math.expm1(-max(0.0, seconds) / life)
