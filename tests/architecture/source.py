"""The product's source files as the architecture tests see them."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jobs.planning import gc_pause

ROOT = Path(__file__).resolve().parents[2]
Function = ast.FunctionDef | ast.AsyncFunctionDef
BY_DJANGO = {"migrations", "management", "templatetags", "formats"}
"""Folders that Django prescribes: their names say what they are, and they are no rooms."""


@cache
def project() -> dict[str, Any]:
    """What stands in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def packages() -> tuple[str, ...]:
    """The packages that the import contracts know: there is one list, in pyproject.toml."""
    return tuple(project()["tool"]["importlinter"]["root_packages"])


@cache
def rooms() -> tuple[Path, ...]:
    """Every folder of the product that is a room, its packages among them."""
    signs = (sign for package in packages() for sign in sorted((ROOT / package).rglob("__init__.py")))
    return tuple(sign.parent for sign in signs if not BY_DJANGO & set(sign.relative_to(ROOT).parts))


@cache
def files() -> tuple[Path, ...]:
    """Every module of the product; migrations are written by Django and left out."""
    found = (path for package in packages() for path in sorted((ROOT / package).rglob("*.py")))
    return tuple(path for path in found if "migrations" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    with gc_pause.paused():
        return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes() -> dict[type[ast.AST], list[tuple[Path, Any]]]:
    """What the modules of the product are made of, by kind, each with its module: they are gone through once for all tests."""
    found: dict[type[ast.AST], list[tuple[Path, Any]]] = defaultdict(list)
    with gc_pause.paused():
        for path in files():
            for node in ast.walk(tree(path)):
                found[type(node)].append((path, node))
    return found


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions() -> Iterator[tuple[Path, Function]]:
    yield from (*nodes()[ast.FunctionDef], *nodes()[ast.AsyncFunctionDef])


def length(function: Function) -> int:
    """Lines from `def` to the last one, docstring included."""
    return (function.end_lineno or function.lineno) - function.lineno + 1
