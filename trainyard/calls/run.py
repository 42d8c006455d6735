"""Makes a call in its job, and keeps what comes of it: `call/result.pkl`, or `call/failure.json`, below TRAINYARD_OUTPUT_DIR.

A copy of this file comes along with the call, beside what it needs, so it asks nothing of the node but a Python.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

FOLDER = "call"
RESULT, FAILURE = "result.pkl", "failure.json"
DESCRIPTION, FUNCTION, ARGUMENTS, LIBRARY = "call.json", "function.pkl", "arguments.pkl", "lib"
INDEX = "TRAINYARD_ARRAY_INDEX"


class CallError(Exception):
    """The call could not be made, or its result not be kept; in words for who made it."""


def main(brought: Path) -> None:
    """Make the call that lies in the folder `brought`; exits with 1 when it fails."""
    outputs = Path(os.environ["TRAINYARD_OUTPUT_DIR"]) / FOLDER
    description = json.loads((brought / DESCRIPTION).read_text(encoding="utf-8"))
    own = [str(brought.parent / path) for path in description["paths"]]
    # What was pickled by value wants the cloudpickle that pickled it; else a node's own goes first.
    ours = [str(brought / LIBRARY)]
    others = [path for path in sys.path if path != str(brought)]
    sys.path[:] = [*own, *ours, *others] if description["by_value"] else [*own, *others, *ours]
    try:
        function, arguments = _call(brought, description)
        args, named = arguments
        value = function(*args, **named)
        kept = _pickled(value, description["name"])
    except Exception as error:
        _keep(outputs, FAILURE, json.dumps(_failure(error)).encode())
        print(_words(error), file=sys.stderr, end="")
        sys.exit(1)
    _keep(outputs, RESULT, kept)


def _call(brought: Path, description: Dict[str, Any]) -> Tuple[Callable[..., Any], Tuple[Any, Dict[str, Any]]]:
    """The function and its arguments."""
    if description["by_value"] and description["python"] != list(sys.version_info[:2]):
        theirs, ours = (".".join(map(str, version)) for version in (description["python"], sys.version_info[:2]))
        raise CallError(
            f"{description['name']} was sent by its value from Python {theirs}, and runs here on {ours}: "
            "name a python= of the same version, or put the function into a module."
        )
    try:
        return _function(brought, description), _arguments(brought, description)
    except ImportError as error:
        raise CallError(
            f"what {description['name']} needs is not here: {error}. Name the folder that holds it with code=, "
            "or with python= an interpreter that has it."
        ) from error


def _function(brought: Path, description: Dict[str, Any]) -> Callable[..., Any]:
    if description["function"] is None:
        function: Callable[..., Any] = _load(brought / FUNCTION)
        return function
    module, name = description["function"]
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    called: Callable[..., Any] = found
    return called


def _arguments(brought: Path, description: Dict[str, Any]) -> Tuple[Any, Dict[str, Any]]:
    """Those of this job, one of many."""
    index = int(os.environ.get(INDEX) or 0)
    start, end = description["offsets"][index : index + 2]
    with (brought / ARGUMENTS).open("rb") as file:
        file.seek(start)
        arguments: Tuple[Any, Dict[str, Any]] = pickle.loads(file.read(end - start))
    return arguments


def _load(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)


def _pickled(value: Any, name: str) -> bytes:
    """The result; of classes that came by value by way of cloudpickle, which knows them."""
    try:
        try:
            return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception:
            draft = io.BytesIO()
            importlib.import_module("cloudpickle").dump(value, draft)
            return draft.getvalue()
    except Exception as error:
        raise CallError(f"the result of {name}, a {type(value).__name__}, cannot be pickled: {error}") from error


def _failure(error: Exception) -> Dict[str, str]:
    kind = type(error)
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    return {"type": name, "message": str(error), "traceback": _words(error)}


def _words(error: Exception) -> str:
    """The traceback from the function on: how it was called here is of no interest."""
    if isinstance(error, CallError):
        return f"{error}\n"
    below = error.__traceback__.tb_next if error.__traceback__ is not None else None
    return "".join(traceback.format_exception(type(error), error, below))


def _keep(folder: Path, name: str, content: bytes) -> None:
    """Whole or not at all. Of a job over several nodes the first one speaks."""
    if os.environ.get("RANK", "0") != "0":
        return
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}"
    draft.write_bytes(content)
    draft.replace(folder / name)


if __name__ == "__main__":
    main(Path(__file__).resolve().parent)
