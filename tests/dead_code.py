"""Code that nothing reaches: `python -m tests.dead_code`, which `make lint` runs.

What only tests reach is dead too. What frameworks call by name is listed in `[tool.vulture]` of pyproject.toml. Fields in a class body
are data that others read (columns, shapes, options of a framework's class): vulture cannot see their readers, so they are left out.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from vulture import Vulture
from vulture.core import Item

from jobs.planning import gc_pause
from tests.architecture import source

LEAST_CONFIDENCE = 60


def dead(folder: Path, config: dict[str, Any]) -> list[Item]:
    """What is defined in these paths of a folder and named nowhere in them."""
    found = Vulture(ignore_names=config["ignore_names"], ignore_decorators=config["ignore_decorators"])
    with gc_pause.paused():
        found.scavenge([str(folder / path) for path in config["paths"]], exclude=config["exclude"])
    unused = found.get_unused_code(min_confidence=LEAST_CONFIDENCE)
    return [item for item in unused if item.first_lineno not in fields(Path(item.filename))]


@cache
def fields(path: Path) -> set[int]:
    """The lines on which this module's class bodies assign or annotate a name."""
    classes = (node for node in ast.walk(source.tree(path)) if isinstance(node, ast.ClassDef))
    return {line for node in classes for line in _assigned(node)}


def _assigned(node: ast.ClassDef) -> Iterator[int]:
    for statement in node.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            yield from range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)


def configured() -> dict[str, Any]:
    return dict(source.project()["tool"]["vulture"])


if __name__ == "__main__":
    unreached = dead(source.ROOT, configured())
    for item in unreached:
        where = f"{Path(item.filename).relative_to(source.ROOT)}:{item.first_lineno}"
        sys.stdout.write(f"{where}: nothing but tests reaches {item.typ} {item.name}\n")
    sys.exit(bool(unreached))
