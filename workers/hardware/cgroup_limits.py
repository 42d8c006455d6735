"""What the control group of this process allows: a container sees the whole machine, but may not use it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """Infinite where the group sets no limit."""

    cpus: float
    memory_bytes: float


def limits(mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> CgroupLimits:
    """The tightest limits from our group up to the root, in version 2 and in version 1."""
    v2 = list(group_folders(mount, membership, ""))
    v1_cpu = list(group_folders(mount / "cpu", membership, "cpu"))
    v1_memory = list(group_folders(mount / "memory", membership, "memory"))
    cpus = [quota(*words(folder / "cpu.max")) for folder in v2]
    cpus += [quota(*words(folder / "cpu.cfs_quota_us"), *words(folder / "cpu.cfs_period_us")) for folder in v1_cpu]
    memory = [number(*words(folder / "memory.max")) for folder in v2]
    memory += [number(*words(folder / "memory.limit_in_bytes")) for folder in v1_memory]
    return CgroupLimits(min(cpus, default=math.inf), min(memory, default=math.inf))


def memory_used(mount: Path = MOUNT, membership: Path = MEMBERSHIP) -> float | None:
    """Bytes that our group uses, as its limit counts them; None where nobody counts."""
    files = [folder / "memory.current" for folder in group_folders(mount, membership, "")]
    files += [folder / "memory.usage_in_bytes" for folder in group_folders(mount / "memory", membership, "memory")]
    used = [number(*words(file)) for file in files]
    return next((value for value in used if math.isfinite(value)), None)


def group_folders(mount: Path, membership: Path, controller: str) -> Iterator[Path]:
    """Our group's folder and those above it; inside a container the path may not exist, but the mount does."""
    for line in lines(membership):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            own = mount / path.lstrip("/")
            yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(mount))


def quota(limit: str = "", period: str = "") -> float:
    """Processors from microseconds of processor time in each period."""
    allowed, length = number(limit), number(period)
    return allowed / length if math.isfinite(allowed) and math.isfinite(length) else math.inf


def number(word: str = "", *_: str) -> float:
    """`max`, -1 and nothing at all stand for no limit."""
    return float(word) if word.isdigit() and int(word) > 0 else math.inf


def words(path: Path) -> list[str]:
    return " ".join(lines(path)).split()


def lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
