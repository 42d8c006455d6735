"""What the processors of this machine use, by the counters of their packages (RAPL). Often only root may read them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Counter(NamedTuple):
    """Of one package, in microjoules: it begins at 0 again after `most`."""

    energy: int
    most: int


def read_packages(powercap: Path) -> dict[str, Counter]:
    """By zone; nothing where not all of them can be read: a part of a machine's energy would be taken for the whole.

    `powercap` is the kernel's folder of zones. Only packages count: others, as their cores, are parts of them, or the whole platform.
    """
    try:
        zones = [zone for zone in powercap.glob("intel-rapl:*") if (zone / "name").read_text().startswith("package")]
        return {
            zone.name: Counter(_number(zone / "energy_uj"), _number(zone / "max_energy_range_uj")) for zone in zones
        }
    except (OSError, ValueError):
        return {}


def joules_between(before: Mapping[str, Counter], after: Mapping[str, Counter]) -> float | None:
    """What the packages used from one look to the next, if each began anew once at most. None: nobody knows."""
    if not after or before.keys() != after.keys():
        return None
    return sum(_used(before[zone].energy, now) for zone, now in after.items()) / 1e6


def _used(before: int, now: Counter) -> int:
    return now.energy - before if now.energy >= before else now.energy - before + now.most


def _number(path: Path) -> int:
    return int(path.read_text())
