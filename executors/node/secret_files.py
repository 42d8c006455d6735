"""Secrets that a job finds in files: in a folder of its attempt, readable by its user alone, and gone with the attempt.

What they hold is noted beside, for the next agent of the node: the job may change its files, and its log is masked all the same.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from executors.run.placement_run import PlacementRun
from quotas.secrets.names import file_fault, variable_of
from workers.runtime import folder_removal
from workers.runtime.process import write_private

SECRETS, NOTE = "secrets", "secret-files.json"
DIRECTORY = "TRAINYARD_SECRET_DIR"
READABLE = 0o400


def lay(run: PlacementRun, values: Mapping[str, str]) -> dict[str, str]:
    """Write those that are files; what the command finds in its environment then. Raises OSError, and ValueError for what is no file's name."""
    files = run.claimed.secret_files
    write_private(run.folder / NOTE, json.dumps({name: values[name] for name in files}))
    folder_removal.remove(run.folder, SECRETS)  # of a launch that came to nothing
    folder = run.folder / SECRETS
    folder.mkdir(mode=0o700)
    for name, file in files.items():
        if file_fault(file):
            raise ValueError(f"{file!r} is no name of a file")
        _write(folder / file, values[name])
    told = {variable_of(name, files.get(name)): _told(folder, files.get(name), value) for name, value in values.items()}
    return told | {DIRECTORY: str(folder)}


def noted(run: PlacementRun) -> Mapping[str, str]:
    """What was written into files when the command was launched; empty where that cannot be told."""
    if not run.claimed.secret_files:
        return {}
    try:
        return dict(json.loads((run.folder / NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _told(folder: Path, file: str | None, value: str) -> str:
    return str(folder / file) if file else value


def _write(path: Path, value: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, READABLE)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(value)
