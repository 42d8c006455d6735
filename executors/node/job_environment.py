"""What a command finds in its environment beside its own variables: programs, the package `trainyard`, where MLflow listens."""

import logging
import os
from importlib.util import find_spec
from pathlib import Path

from executors.run import tracking
from jobs.attempts.claims import PlacementSpec

log = logging.getLogger(__name__)
PACKAGE = "trainyard"
VIRTUAL_ENVIRONMENTS = ("VIRTUAL_ENV", "CONDA_PREFIX")


def lay_out(folder: Path) -> None:
    """Make `folder` one in which Python finds the package for training scripts, and nothing else."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return
    draft = folder / f".{PACKAGE}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside and then over the old one: jobs that run import from it meanwhile.
        draft.unlink(missing_ok=True)
        draft.symlink_to(Path(spec.origin).parent, target_is_directory=True)
        draft.replace(folder / PACKAGE)
    except OSError as error:
        log.warning("Jobs will not find the package %s here: %s", PACKAGE, error)


def environment(claimed: PlacementSpec, python: Path) -> dict[str, str]:
    """Variables that give way to those which the job brings; `python` is a folder that was laid out."""
    return {**_path(claimed), **tracking.environment(claimed), "PYTHONPATH": _python_path(claimed, python)}


def _path(claimed: PlacementSpec) -> dict[str, str]:
    """A job that names a virtual environment runs in it, as a shell does that has activated it."""
    prefix = next((claimed.env[name] for name in VIRTUAL_ENVIRONMENTS if claimed.env.get(name)), "")
    if not prefix or "PATH" in claimed.env:
        return {}
    return {"PATH": os.pathsep.join((str(Path(prefix, "bin")), os.environ.get("PATH", os.defpath)))}


def _python_path(claimed: PlacementSpec, python: Path) -> str:
    """The job's own folders first: whatever it brings under our name is what it imports."""
    given = claimed.env.get("PYTHONPATH", "")
    return f"{given}:{python}" if given else str(python)
