"""The virtual environment from which a job is submitted: not, by itself, the one in which it runs."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from cli.errors import UsageError

NAMES = ("VIRTUAL_ENV", "CONDA_PREFIX")
"""What activation sets. A node puts the folder `bin` of a job's first in its PATH."""


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """What has a job run in the environment that is active here; raises UsageError where none is."""
    name = _active(environ)
    if name is None:
        raise UsageError("--venv: no virtual environment is active here; activate one, or write -e VIRTUAL_ENV=FOLDER.")
    return {name: environ[name]}


def hint(command: Sequence[str], env: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """What to say to somebody who may expect the program of the active environment, and will get the node's."""
    name = _active(environ)
    if name is None or _is_the_platform_s(environ[name]) or "PATH" in env or any(one in env for one in NAMES):
        return ""
    program = command[0]
    if "/" in program or shutil.which(program, path=str(Path(environ[name], "bin"))) is None:
        return ""
    return f"{program} will be the nodes' own, not that of {environ[name]}: to run it in that environment, add --venv"


def _active(environ: Mapping[str, str]) -> str | None:
    return next((name for name in NAMES if environ.get(name)), None)


def _is_the_platform_s(prefix: str) -> bool:
    """The environment of a checkout: what its local stack runs jobs with."""
    return Path(prefix).resolve() == Path(sys.prefix).resolve() and find_spec("scheduler_site") is not None
