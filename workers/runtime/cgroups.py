"""Control groups (version 2) for the commands of this node, in the part of the tree that was handed over to its agent.

The kernel wants processes in leaves only, so our part looks like this: `agent` (this process), `shims`, and one folder
for each command, with its limit of memory. Where nobody handed us a part, shims watch memory themselves.
"""

import contextlib
import logging
import os
import time
from pathlib import Path

from workers.hardware import cgroup_limits
from workers.runtime.shim.group import write

log = logging.getLogger(__name__)
HANDED_OVER = ("user.delegate", "trusted.delegate")  # how systemd marks the group of a service with Delegate=
AUTO, YES, NO = "auto", "yes", "no"
CHOICES = (AUTO, YES, NO)
KERNEL_ROOM = 16
"""By so much the kernel's own limit of processes is higher than ours: the shim sees that it was passed, and says so."""


class JobGroups:
    """Makes and clears away the groups below `base`."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def make(self, name: str, memory_bytes: int, processes: int = 0) -> str:
        """The path of a new group with these limits (0: none) for a command; empty where the kernel makes none."""
        group = self._base / f"job-{name}"
        try:
            group.mkdir(exist_ok=True)
            if memory_bytes:
                write(f"{group}/memory.max", str(memory_bytes).encode())
                write(f"{group}/memory.oom.group", b"1")
        except OSError as error:
            log.warning(
                "No control group for placement %s, its shim watches its memory: %s",
                name,
                error,
                extra={"placement": name},
            )
            return ""
        with contextlib.suppress(OSError):  # not handed over: then the shim counts
            write(f"{group}/pids.max", str(processes + KERNEL_ROOM if processes else "max").encode())
        with contextlib.suppress(OSError):  # no swap accounting: then a swap may hold more
            write(f"{group}/memory.swap.max", b"0")
        return str(group)

    def remove(self, name: str) -> None:
        """Its shim has done that, unless it was killed."""
        with contextlib.suppress(OSError):
            (self._base / f"job-{name}").rmdir()

    def clear(self) -> None:
        """Remove groups that nobody is in any more."""
        for group in self._base.glob("job-*"):
            self.remove(group.name.removeprefix("job-"))


def prepare(
    choice: str, mount: Path = cgroup_limits.MOUNT, membership: Path = cgroup_limits.MEMBERSHIP
) -> JobGroups | None:
    """Our part of the tree, made ready; None where we have none, or `choice` is `no`.

    `auto` takes only what systemd has marked as handed over; `yes` takes the group that this process is in.
    """
    own = next(cgroup_limits.group_folders(mount, membership, ""), None)
    if choice == NO or own is None:
        return None
    base = own.parent if own.name == "agent" else own
    if choice == AUTO and not (is_handed_over(base) or is_handed_over(own)):
        return None
    try:
        arrange(base)
    except OSError as error:
        log.warning("Control groups are not to be had (%s): shims watch the memory of their commands.", error)
        return None
    return JobGroups(base)


def is_handed_over(group: Path) -> bool:
    for name in HANDED_OVER:
        with contextlib.suppress(OSError):
            if os.getxattr(group, name) == b"1":
                return True
    return False


def arrange(base: Path) -> None:
    """Move whoever is in `base` into leaves, then let its children limit memory. Raises OSError."""
    for leaf in ("agent", "shims"):
        (base / leaf).mkdir(exist_ok=True)
    for _ in range(10):  # a process may fork while we move it
        pids = (base / "cgroup.procs").read_text().split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                write(f"{base}/agent/cgroup.procs", pid.encode())
        if not pids:
            break
        time.sleep(0.01)
    with contextlib.suppress(OSError):  # not handed over: shims count the processes of their commands
        write(f"{base}/cgroup.subtree_control", b"+pids")
    write(f"{base}/cgroup.subtree_control", b"+memory")
