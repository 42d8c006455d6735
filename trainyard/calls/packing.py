"""A function and its arguments as files that come along with the code of a job.

A function that can be imported goes by its name; one of `__main__` (a script, a notebook), a lambda or an inner one by its
value, by cloudpickle. Arguments are pickled by cloudpickle as well, which differs from pickle only where a class is in `__main__`.
"""

import inspect
import json
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

from trainyard.calls import run
from trainyard.calls.code_folder import folder_for, module_of
from trainyard.errors import UsageError

BROUGHT = ".trainyard"
"""The folder in the copy of the code; nothing of that name comes along from anywhere else."""
PROGRAM = f"{BROUGHT}/run.py"
Arguments = tuple[Sequence[Any], Mapping[str, Any]]


class Packed(NamedTuple):
    """What comes along: a folder, if any, and files beside it."""

    name: str
    folder: Path | None
    files: dict[str, bytes]


def pack(function: Callable[..., Any], calls: Sequence[Arguments], *, code: Path | None = None) -> Packed:
    """Of one function with the arguments of each call. Raises `UsageError` for what does not fit, or cannot be pickled, by name."""
    name = name_of(function)
    if not callable(function):
        raise UsageError(f"function: {name} cannot be called.")
    reference = _reference(function)
    folder, paths = folder_for(function, code, imported=reference is not None)
    files = {} if reference else {run.FUNCTION: _function(function, name)}
    arguments = [
        _arguments(function, name, one, None if len(calls) == 1 else number) for number, one in enumerate(calls)
    ]
    files[run.ARGUMENTS] = b"".join(arguments)
    description = {
        "name": name,
        "function": reference,
        "by_value": any(b"cloudpickle" in content for content in files.values()),
        "python": sys.version_info[:2],
        "paths": paths,
        "offsets": _offsets(arguments),
    }
    files[run.DESCRIPTION] = json.dumps(description).encode()
    files["run.py"] = Path(run.__file__).read_bytes()
    return Packed(name, folder, {f"{BROUGHT}/{path}": content for path, content in (files | _library()).items()})


def name_of(function: Any) -> str:
    """As people call it."""
    inner = function
    while hasattr(inner, "func"):
        inner = inner.func
    return (
        str(getattr(inner, "__qualname__", None) or type(inner).__qualname__)
        .replace("<locals>.", "")
        .replace("<lambda>", "lambda")
    )


def _reference(function: Any) -> tuple[str, str] | None:
    """Module and name by which it is imported elsewhere; None where that does not lead to it."""
    module, name = module_of(function), getattr(function, "__qualname__", "")
    if module is None or module.__name__ == "__main__" or not name or hasattr(function, "func"):
        return None
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module.__name__, name) if found is function else None


def _function(function: Any, name: str) -> bytes:
    try:
        return bytes(cloudpickle.dumps(function))
    except Exception as error:
        raise UsageError(f"function: {name}, or something global that it uses, cannot be pickled: {error}.") from error


def _arguments(function: Any, name: str, call: Arguments, number: int | None) -> bytes:
    args, named = call
    of = "" if number is None else f" of call {number}"
    bound = _bound(function, name, call, of)
    try:
        return bytes(cloudpickle.dumps((tuple(args), dict(named))))
    except Exception as error:
        culprit = next((word for word, value in bound.items() if not _pickles(value)), "")
        raise UsageError(
            f"{culprit or 'arguments'}: this argument{of} of {name} cannot be pickled: {error}."
        ) from error


def _bound(function: Any, name: str, call: Arguments, of: str) -> dict[str, Any]:
    """Each argument by the name of its parameter; several of one parameter by `args[1]`."""
    args, named = call
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # not every builtin has one
        return {f"args[{number}]": value for number, value in enumerate(args)} | dict(named)
    try:
        bound = signature.bind(*args, **named).arguments
    except TypeError as error:
        raise UsageError(f"arguments: those{of} do not fit {name}{signature}: {error}.") from error
    found: dict[str, Any] = {}
    for word, value in bound.items():
        kind = signature.parameters[word].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            found |= {f"{word}[{number}]": one for number, one in enumerate(value)}
        elif kind is inspect.Parameter.VAR_KEYWORD:
            found |= value
        else:
            found[word] = value
    return found


def _pickles(value: Any) -> bool:
    try:
        cloudpickle.dumps(value)
    except Exception:  # whatever it is, it does not
        return False
    return True


def _offsets(contents: Sequence[bytes]) -> list[int]:
    offsets = [0]
    for content in contents:
        offsets.append(offsets[-1] + len(content))
    return offsets


def _library() -> dict[str, bytes]:
    """Cloudpickle itself, some 60 KB: a node need not have it."""
    folder = Path(cloudpickle.__file__).parent
    return {f"{run.LIBRARY}/cloudpickle/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.py"))}


def unpickled(content: bytes) -> Any:
    """A result. It runs what the one who wrote it wants: only for what our own job wrote."""
    return pickle.loads(content)
