"""The Pythons of this machine, as its PATH has them."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NAME = re.compile(r"python3(\.[0-9]+)?")
ASK = "import sys, json; print(json.dumps([sys.version_info[:3], sys.base_prefix]))"
ASK_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter of the machine itself, of no virtual environment."""

    version: tuple[int, int, int]
    executable: str
    prefix: str

    @property
    def minor(self) -> str:
        """As jobs ask for it: "3.12"."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def full(self) -> str:
        return ".".join(map(str, self.version))


@cache
def installed(path: str) -> tuple[Python, ...]:
    """One of each minor version, the first in PATH; first of all what `python3` is there, last that of this process.

    Programs alone count: a script of that name asks somebody else which Python is meant.
    """
    own = _own()
    known = {own.executable: own}
    found: dict[str, Python] = {}
    for executable in _programs(path):
        python = known[executable] if executable in known else _ask(executable)
        if python is not None:
            known[executable] = python
            found.setdefault(python.minor, python)
    found.setdefault(own.minor, own)
    return tuple(found.values())


def _own() -> Python:
    executable = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
    major, minor, micro, *_ = sys.version_info
    return Python((major, minor, micro), executable, sys.base_prefix)


def _programs(path: str) -> dict[str, None]:
    """Where they really lie, in order, each once."""
    folders = [Path(folder) for folder in path.split(os.pathsep) if folder]
    named = [(folder / name, name) for folder in folders for name in _names(folder)]
    in_order = [*(file for file, name in named if name == "python3"), *(file for file, _ in named)]
    return dict.fromkeys(os.path.realpath(file) for file in in_order if _is_program(file))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder) if NAME.fullmatch(entry.name))
    except OSError:
        return []


def _is_program(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(2) != b"#!" and os.access(file, os.X_OK)
    except OSError:
        return False


def _ask(executable: str) -> Python | None:
    """None: it does not run."""
    try:
        said = subprocess.run(
            [executable, "-I", "-c", ASK], capture_output=True, timeout=ASK_SECONDS, check=True, cwd="/"
        ).stdout
        version, prefix = json.loads(said)
        return Python(tuple(version), executable, prefix)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
