"""Which folder comes along with a function, and where its module is found in it."""

import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from trainyard.errors import UsageError

INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib")


def module_of(function: Any) -> ModuleType | None:
    """Where it was defined; of a partial function the one of what it calls."""
    while hasattr(function, "func"):
        function = function.func
    return sys.modules.get(getattr(function, "__module__", None) or "")


def root_of(module: ModuleType | None) -> Path | None:
    """The folder from which the module is imported; None where none needs to come along: it is installed, or in a notebook."""
    file = getattr(module, "__file__", None)
    if module is None or not file or not Path(file).is_file():
        return None
    path = Path(file).resolve()
    if any(path.is_relative_to(Path(sysconfig.get_path(name)).resolve()) for name in INSTALLED):
        return None
    packages = 0 if module.__name__ == "__main__" else module.__name__.count(".") + (path.stem == "__init__")
    return path.parents[packages]


def folder_for(function: Any, code: Path | None, *, imported: bool) -> tuple[Path | None, list[str]]:
    """The folder to bring along, and from which folders in it modules are imported; raises `UsageError`.

    One that is `imported` has to lie in it; one that goes by its value may come from anywhere.
    """
    root = root_of(module_of(function))
    if code is None:
        if root is not None:
            _refuse_all_of_a_home(root)
        return root, [""]
    top = code.expanduser().resolve()
    if root is None or root == top:
        return top, [""]
    if not root.is_relative_to(top):
        if not imported:
            return top, [""]
        raise UsageError(f"code: {root}, from where the function is imported, is not inside {top}, which comes along.")
    return top, [root.relative_to(top).as_posix(), ""]


def _refuse_all_of_a_home(root: Path) -> None:
    if root == Path.home() or root in Path.home().parents:
        raise UsageError(
            f"code: the function lies in {root}, all of which would come along. Move it into a folder of its own, or name one with code=."
        )
