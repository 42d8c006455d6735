"""How a further command gets inside the walls of one that runs: to look at it, beside it, with no more rights than it has."""

import json
from pathlib import Path
from typing import Any

from workers.runtime import process_tree
from workers.runtime.process import read_status


def prefix(folder: Path) -> tuple[str, ...]:
    """The words that go before a command, for it to see what the attempt in `folder` sees and to be whom it is.

    Empty where that has no walls. It ends with the attempt where that has a view of processes of its own. Its environment,
    its working folder and its control group are the caller's affair: `spec.json` names those of the attempt. Needs `nsenter`
    and `setpriv` (util-linux), and the agent's rights. Raises ProcessLookupError if nothing runs there (any more).
    """
    status = read_status(folder)
    if status is None or status["phase"] == "ended":
        raise ProcessLookupError(f"No command runs in {folder}.")
    wall = json.loads((folder / "spec.json").read_text())["wall"]
    return () if wall is None else (*_view(folder, status, wall), *_user(wall))


def _view(folder: Path, status: dict[str, Any], wall: dict[str, Any]) -> tuple[str, ...]:
    if not wall["layers"]:
        return ()
    own = bool(status.get("init_pid"))
    pid, start = (status["init_pid"], status["init_start"]) if own else (status["pid"], status["pid_start"])
    if not process_tree.is_running(pid, start):
        raise ProcessLookupError(f"The command in {folder} has ended.")
    return ("nsenter", "--target", str(pid), "--mount", "--ipc", *(["--pid"] if own else []), "--")


def _user(wall: dict[str, Any]) -> tuple[str, ...]:
    if wall["uid"] < 0:
        return ()
    groups = f"--groups={','.join(map(str, wall['groups']))}" if wall["groups"] else "--clear-groups"
    ids = (f"--reuid={wall['uid']}", f"--regid={wall['gid']}", groups)
    return ("setpriv", *ids, "--inh-caps=-all", "--no-new-privs", "--")
