"""How a process gets to where an attempt's command is: the one place that knows what walls that command has.

For a process of one thread between fork and exec.
"""

import json
import os
import sys

from workers.runtime.shim.folder import Spec
from workers.runtime.shim.group import attempt, write
from workers.runtime.shim.processes import read_text, start_ticks
from workers.runtime.shim.wall import PR_SET_NO_NEW_PRIVS, RLIMIT_NPROC, call

NAMESPACES = ("ipc", "mnt")
DIES_BEFORE_US = b"500"
NOT_THERE = 3  # ESRCH


def enter(folder: str, spec: Spec) -> None:
    """Be in the control group, on the cores, behind the walls and the user of the command in this attempt's folder. Raises OSError."""
    places = [] if spec.wall is None or not spec.wall.layers else opened(folder)
    if spec.group:
        write(f"{spec.group}/cgroup.procs", b"0")
    attempt("/proc/self/oom_score_adj", DIES_BEFORE_US)
    if spec.cores:
        os.sched_setaffinity(0, os.sched_getaffinity(0).intersection(spec.cores) or os.sched_getaffinity(0))
    for place in places:
        call("setns", place, 0)
        os.close(place)
    if spec.wall is None:
        return
    if spec.wall.processes:
        limit = spec.wall.processes.to_bytes(8, sys.byteorder)
        call("setrlimit", RLIMIT_NPROC, limit + limit)
    if spec.wall.uid >= 0:
        os.setgroups(spec.wall.groups)
        os.setresgid(spec.wall.gid, spec.wall.gid, spec.wall.gid)
        os.setresuid(spec.wall.uid, spec.wall.uid, spec.wall.uid)
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def opened(folder: str) -> list[int]:
    """Descriptors of the namespaces of the command's main process. Raises OSError where it is gone."""
    status = json.loads(read_text(f"{folder}/status.json"))
    pid, start = status["pid"], status["pid_start"]
    found = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in NAMESPACES if pid]
    if not pid or start_ticks(pid) != start:  # looked at after they were opened: the id may be another's by now
        raise OSError(NOT_THERE, "the job's command is not there any more")
    return found
