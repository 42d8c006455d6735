"""How much of each room the tests reach, against its floor in pyproject.toml: `make coverage` runs it after the tests.

A floor says that nobody has begun to leave a room untested; where races live, a line that was reached is not yet a line that is right.
The floors of executors and of jobs/planning are three points below what those rooms' own tests reach, without the acceptance tests.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage

from tests.architecture import source


@dataclass(frozen=True, slots=True)
class Reached:
    """The lines of a room that can run, and those of them that did."""

    lines: int = 0
    reached: int = 0

    def __add__(self, other: "Reached") -> "Reached":
        return Reached(self.lines + other.lines, self.reached + other.reached)

    @property
    def percent(self) -> float:
        return 100 * self.reached / self.lines if self.lines else 100.0


def room(path: Path) -> str:
    """A package in a package of the house, or what lies beside the rooms of one: `jobs/planning`, `jobs`."""
    return "/".join(path.relative_to(source.ROOT).parent.parts[:2])


def measured() -> dict[str, Reached]:
    """What the last run reached, by room."""
    data, rooms = Coverage(), defaultdict[str, Reached](Reached)
    data.load()
    for name in data.get_data().measured_files():
        _, lines, _, missed, _ = data.analysis2(name)
        rooms[room(Path(name))] += Reached(len(lines), len(lines) - len(missed))
    return dict(sorted(rooms.items()))


def rows(found: Mapping[str, Reached], floors: Mapping[str, int]) -> Iterator[str]:
    for name, one in found.items():
        below = "  below its floor" if one.percent < floors.get(name, 0) else ""
        yield f"{name:<28} {one.percent:6.1f} %  of {one.lines:>5} lines  floor {floors.get(name, 0):>3}{below}"


def below(found: Mapping[str, Reached], floors: Mapping[str, int]) -> list[str]:
    """The rooms with a floor of which too little was reached, those that are gone included."""
    return [name for name, floor in floors.items() if name not in found or found[name].percent < floor]


def floors() -> dict[str, int]:
    return dict(source.project()["tool"]["trainyard"]["coverage"])


if __name__ == "__main__":
    found = measured()
    sys.stdout.write("".join(f"{row}\n" for row in rows(found, floors())))
    sys.exit(", ".join(below(found, floors())) or 0)
