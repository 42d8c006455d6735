"""How a further command gets inside the walls of one that runs: to look at it, beside it, with no more rights than it has."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from workers.runtime import process_tree
from workers.runtime.process import read_status

DOOR = Path(__file__).resolve().parent / "shim" / "enter.py"


def prefix(folder: Path) -> tuple[str, ...]:
    """The words that go before a command, for it to be whom the attempt in `folder` is, where that is, and see what that sees.

    It gets the attempt's variables, working folder and control group, ends with the attempt where that has a view of its
    own, and with the process that these words start, whose exit code is its. To be run with the agent's rights and with none
    of the attempt's variables, which anybody may have written. Raises ProcessLookupError if nothing runs there (any more).
    """
    status = read_status(folder)
    if status is None or status["phase"] == "ended":
        raise ProcessLookupError(f"No command runs in {folder}.")
    view = bool(status.get("init_pid"))
    pid, start = (status["init_pid"], status["init_start"]) if view else (status["pid"], status["pid_start"])
    if not process_tree.is_running(pid, start):
        raise ProcessLookupError(f"The command in {folder} has ended.")
    joined = ",".join(_joined(json.loads((folder / "spec.json").read_text())["wall"], view=view))
    interpreter = sys.executable or shutil.which("python3") or "python3"
    return (interpreter, "-I", "-S", "-X", "utf8", str(DOOR), str(folder), str(pid), str(start), joined)


def _joined(wall: dict[str, Any] | None, *, view: bool) -> list[str]:
    """The namespaces of its view."""
    if wall is None or not wall["layers"]:
        return []
    return [*(["pid"] if view else []), "ipc", "mnt"]
