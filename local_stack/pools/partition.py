"""What each agent of a pool gets of its machine: equal shares, and no GPU and no core twice."""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from local_stack.pools.errors import PoolError, UsageError
from workers.hardware.inventory import GpuDevice, Hardware

MB_PER_GB = 1024
LONGEST_NAME = 58
MOST_AGENTS = 1000


@dataclass(frozen=True)
class AgentTerms:
    """What each agent shall offer, as its starter said; None: an equal share of the machine."""

    cpus: int | None = None
    memory_gb: float | None = None
    gpus: int | None = None
    gpu_model: str | None = None
    gpu_memory_gb: float | None = None
    labels: tuple[str, ...] = ()
    oversubscribe: bool = False


@dataclass(frozen=True)
class GpuPartition:
    """What one agent gets: of GPUs the real ones by name, of cores those that are its own, if there are such."""

    cpus: int
    memory_gb: float
    gpus: int
    real_gpus: tuple[str, ...] = ()
    cores: tuple[int, ...] = ()


def check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", name) or len(name) > LONGEST_NAME:
        raise UsageError(f"{name!r} is no name for a pool: letters, digits and dashes, at most {LONGEST_NAME}.")


def check_number(agents: int) -> None:
    if not 0 <= agents <= MOST_AGENTS:
        raise UsageError(f"A pool has between 0 and {MOST_AGENTS} agents, not {agents}.")


def each(machine: Hardware, wanted: AgentTerms, agents: int) -> GpuPartition:
    """What every one of so many agents offers. Raises UsageError or PoolError, saying what is too much."""
    check_number(agents)
    parts = max(agents, 1)
    share = GpuPartition(
        cpus=max(1, machine.cpus // parts) if wanted.cpus is None else wanted.cpus,
        memory_gb=machine.memory_mb / MB_PER_GB / parts if wanted.memory_gb is None else wanted.memory_gb,
        gpus=len(machine.gpus) // parts if wanted.gpus is None else wanted.gpus,
    )
    refuse_nonsense(share)
    refuse_too_much(machine, share, agents, oversubscribe=wanted.oversubscribe)
    return share


def refuse_nonsense(share: GpuPartition) -> None:
    for option, value, least in (("--cpus", share.cpus, 1), ("--gpus", share.gpus, 0)):
        if value < least:
            raise UsageError(f"{option} must be at least {least}, not {value}.")
    if not 0 < share.memory_gb < float("inf"):
        raise UsageError(f"--memory-gb must be greater than 0, not {share.memory_gb:g}.")


def refuse_too_much(machine: Hardware, share: GpuPartition, agents: int, *, oversubscribe: bool) -> None:
    """A machine without GPUs may have any number of simulated ones; one with GPUs would mix them up unseen."""
    there = {"CPUs": (share.cpus, machine.cpus), "GB of memory": (share.memory_gb, machine.memory_mb / MB_PER_GB)}
    if machine.gpus:
        there["GPUs"] = (share.gpus, len(machine.gpus))
    for what, (one, all_of_it) in there.items():
        if not oversubscribe and agents * one > all_of_it * 1.0001:
            raise PoolError(
                f"{agents} agents with {one:g} {what} each are more than this machine has ({all_of_it:g}): "
                "take fewer or smaller ones, or say --oversubscribe."
            )


def own(
    machine: Hardware, share: GpuPartition, others: Collection[GpuPartition], *, pinned: bool = True
) -> GpuPartition:
    """The share with GPUs, and if `pinned` cores, of its own: those that none of `others` has."""
    taken = {uuid for other in others for uuid in other.real_gpus}
    free = [gpu for gpu in machine.gpus if name_of(gpu) not in taken]
    used = {core for other in others for core in other.cores}
    left = [core for core in sorted(os.sched_getaffinity(0)) if core not in used]
    return GpuPartition(
        cpus=share.cpus,
        memory_gb=share.memory_gb,
        gpus=share.gpus,
        real_gpus=tuple(name_of(gpu) for gpu in free[: share.gpus]),
        cores=tuple(left[: share.cpus]) if pinned and len(left) >= share.cpus else (),
    )


def name_of(gpu: GpuDevice) -> str:
    return gpu.uuid or str(gpu.index)


def visible(names: Iterable[str]) -> str:
    """As CUDA_VISIBLE_DEVICES: an empty one hides all."""
    return ",".join(names)
