"""The house as it is built: which room imports which, drawn into the documents. `make house` draws it anew.

An arrow that follows from others is left out: where A imports B, and B imports C, that A imports C too is no news.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import grimp

from tests.architecture import source

Arrows = AbstractSet[tuple[str, str]]
BEGINS, ENDS = "<!-- drawn by `make house` -->", "<!-- end of the drawing -->"
DOORS, WORDS = "doors", "words"
"""What lies beside a package's rooms: modules that use them, and the words that they share."""
MOST_NAMES = 5
ALONE = frozenset({"scheduler_site", "trainyard"})
"""Packages that are drawn as one room: what they hold beside it is a detail."""


def imports() -> dict[str, frozenset[str]]:
    """Every module of the product with those that it imports itself. Migrations and the packages' signs are left out."""
    if str(source.ROOT) not in sys.path:
        sys.path.insert(0, str(source.ROOT))  # chaos and fuzz are not installed
    graph = grimp.build_graph(*source.packages(), cache_dir=None)
    ours = sorted(module for module in graph.modules if _counts(module))
    return {module: frozenset(graph.find_modules_directly_imported_by(module)) & frozenset(ours) for module in ours}


def _counts(module: str) -> bool:
    rest = module.split(".")[1:]
    return bool(rest) and "migrations" not in rest and rest[-1] not in source.BY_DJANGO | {"commands"}


def rooms_of(known: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """In which room each module is: `package.room`; beside the rooms `package.doors` or `package.words`."""
    folders = {f"{path.parent.name}.{path.name}" for path in source.rooms() if path.parent.parent == source.ROOT}
    furnished = {folder.partition(".")[0] for folder in folders} - ALONE
    return {module: _room(module, known, folders, furnished) for module in known}


def _room(
    module: str, known: Mapping[str, frozenset[str]], folders: AbstractSet[str], furnished: AbstractSet[str]
) -> str:
    package, *rest = module.split(".")
    if package not in furnished:
        return package
    if rest and f"{package}.{rest[0]}" in folders:
        return f"{package}.{rest[0]}"
    own = {f"{package}.{one.split('.')[1]}" for one in _reached(module, known) if one.startswith(f"{package}.")}
    return f"{package}.{DOORS if own & folders else WORDS}"


def _reached(start: str, known: Mapping[str, Iterable[str]]) -> set[str]:
    """Everything that it imports, by way of others too."""
    found: set[str] = set()
    left = [start]
    while left:
        new = set(known.get(left.pop(), ())) - found
        found |= new
        left += new
    return found


def arrows(known: Mapping[str, frozenset[str]], place: Mapping[str, str]) -> Arrows:
    """Which room imports which."""
    pairs = {(place[module], place[other]) for module, others in known.items() for other in others}
    return {(above, below) for above, below in pairs if above != below}


def telling(drawn: Arrows) -> Arrows:
    """Those of the arrows that do not follow from others. Rooms that import each other explain nothing away."""
    below: dict[str, set[str]] = {}
    for start, end in drawn:
        below.setdefault(start, set()).add(end)
    reached = {start: _reached(start, below) for start in below}
    lower = {start: {end for end in ends if start not in reached.get(end, ())} for start, ends in below.items()}
    return {
        (start, end) for start, end in drawn if not any(end in reached.get(other, ()) for other in lower[start] - {end})
    }


def packages_drawn(known: Mapping[str, frozenset[str]]) -> str:
    """The packages as floors."""
    place = {module: module.partition(".")[0] for module in known}
    found = telling(arrows(known, place))
    return _block([*(f'    {name}["{name}/"]' for name in sorted(set(place.values()))), *_lines(found)])


def rooms_drawn(known: Mapping[str, frozenset[str]]) -> str:
    """The rooms, grouped by package."""
    place = rooms_of(known)
    return _block([*_groups(_labels(place)), *_lines(telling(arrows(known, place)))])


def _labels(place: Mapping[str, str]) -> dict[str, str]:
    """What stands on each room; modules beside the rooms are named if they are few."""
    labels = {}
    for room in sorted(set(place.values())):
        package, _, name = room.partition(".")
        beside = sorted({module.split(".")[1] for module in place if place[module] == room})
        named = name in (DOORS, WORDS) and len(beside) <= MOST_NAMES
        labels[room] = "<br>".join(beside) if named else f"its {name}" if name in (DOORS, WORDS) else name or package
    return labels


def _groups(labels: Mapping[str, str]) -> Iterator[str]:
    for package in sorted({room.partition(".")[0] for room in labels}):
        inside = [room for room in labels if room.startswith(f"{package}.")]
        if not inside:
            yield f'    {package}["{package}/"]'
            continue
        yield f'    subgraph {package}["{package}/"]'
        yield from (f'        {_id(room)}["{labels[room]}"]' for room in inside)
        yield "    end"


def _lines(found: Arrows) -> Iterator[str]:
    return (f"    {_id(start)} --> {_id(end)}" for start, end in sorted(found))


def _id(room: str) -> str:
    return room.replace(".", "_")


def _block(lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", "flowchart TB", *lines, "```"])


DRAWINGS = {"docs/architecture.md": packages_drawn, "docs/design/rooms.md": rooms_drawn}
"""Which document holds which drawing."""


def with_drawing(text: str, drawing: str) -> str:
    """The document with this drawing in the place of the one that it had."""
    before, _, rest = text.partition(BEGINS)
    after = rest.partition(ENDS)[2]
    return f"{before}{BEGINS}\n{drawing}\n{ENDS}{after}"


def drawn(known: Mapping[str, frozenset[str]]) -> Iterator[tuple[Path, str]]:
    """Each document that holds a drawing, as it is to be."""
    for name, drawing in DRAWINGS.items():
        path = source.ROOT / name
        yield path, with_drawing(path.read_text(encoding="utf-8"), drawing(known))


if __name__ == "__main__":
    for document, text in drawn(imports()):
        document.write_text(text, encoding="utf-8")
