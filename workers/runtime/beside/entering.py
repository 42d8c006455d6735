"""How a process gets to where an attempt's command is: the one place that knows what walls that command has.

For a process of one thread between fork and exec.
"""

import json
import os
import signal
import sys
from typing import NoReturn

from workers.runtime.shim.folder import Spec
from workers.runtime.shim.group import attempt, write
from workers.runtime.shim.init import PR_SET_PDEATHSIG
from workers.runtime.shim.processes import read_text, send, start_ticks
from workers.runtime.shim.wall import RLIMIT_NPROC, call

NAMESPACES = ("ipc", "mnt")
DIES_BEFORE_US = b"500"
NOT_THERE = 3  # ESRCH
PASSED_ON = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)


def enter(folder: str, spec: Spec) -> bool:
    """Be in the control group, on the cores, behind the walls and the user of the command in this attempt's folder. Raises OSError.

    Where that has processes of its own, a child is born among them and goes on here: True. The one that it is born of stays
    outside, passes signals on, and ends as the child does.
    """
    view, places = (False, list[int]()) if spec.wall is None or not spec.wall.layers else opened(folder)
    if spec.group:
        write(f"{spec.group}/cgroup.procs", b"0")
    attempt("/proc/self/oom_score_adj", DIES_BEFORE_US)
    if spec.cores:
        os.sched_setaffinity(0, os.sched_getaffinity(0).intersection(spec.cores) or os.sched_getaffinity(0))
    for place in places:
        call("setns", place, 0)
        os.close(place)
    if view and (child := os.fork()):
        stand_for(child)
    if spec.wall is not None:
        if spec.wall.processes:
            limit = spec.wall.processes.to_bytes(8, sys.byteorder)
            call("setrlimit", RLIMIT_NPROC, limit + limit)
        spec.wall.change_user()
    if view:
        call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return view


def opened(folder: str) -> tuple[bool, list[int]]:
    """Whether the command has a view of its own, and descriptors of its namespaces. Raises OSError where it is gone."""
    status = json.loads(read_text(f"{folder}/status.json"))
    view = bool(status.get("init_pid"))
    pid, start = (status["init_pid"], status["init_start"]) if view else (status["pid"], status["pid_start"])
    names = ("pid", *NAMESPACES) if view else NAMESPACES
    found = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in names if pid]
    if not pid or start_ticks(pid) != start:  # looked at after they were opened: the id may be another's by now
        raise OSError(NOT_THERE, "the job's command is not there any more")
    return view, found


def stand_for(child: int) -> NoReturn:
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: send(-child, number))
    os.closerange(0, os.sysconf("SC_OPEN_MAX"))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)
