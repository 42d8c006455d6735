"""The command's control group (version 2), where the agent could make one: the kernel holds its memory limit itself.

The agent makes the folder with its limits, the shim starts the command inside and removes it at the end.
"""

import posix

from workers.runtime.shim.processes import read_text


class Group:
    """The folder `path` for the command, beside `shims` for its shim; an empty path stands for no group."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.home = f"{path.rpartition('/')[0]}/shims"

    def enter(self) -> None:
        """What is started from now on belongs to the group: a child is born where its parent is. Raises OSError."""
        if self.path:
            write(f"{self.path}/cgroup.procs", b"0")

    def leave(self) -> None:
        """The shim itself must not be limited, nor killed with the command."""
        if self.path:
            write(f"{self.home}/cgroup.procs", b"0")

    def kill(self) -> None:
        """SIGKILL for all at once, so that none can start another in between (Linux 5.14 and later)."""
        if self.path:
            attempt(f"{self.path}/cgroup.kill", b"1")

    def out_of_memory(self) -> bool:
        """Whether the kernel killed for the group's own limit."""
        return self.path != "" and any(line in self.events() for line in ("oom_kill", "oom_group_kill"))

    def events(self) -> list[str]:
        """The names of the memory events that have happened."""
        try:
            lines = [line.split() for line in read_text(f"{self.path}/memory.events").split("\n")]
        except OSError:
            return []
        return [words[0] for words in lines if len(words) > 1 and words[1] != "0"]

    def remove(self) -> None:
        if self.path:
            try:
                posix.rmdir(self.path)
            except OSError:  # something would not die: the agent tries again when it starts
                return


def write(path: str, data: bytes) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(fd, data)
    finally:
        posix.close(fd)


def attempt(path: str, data: bytes) -> None:
    try:
        write(path, data)
    except OSError:  # an older kernel: the processes are killed one by one anyway
        return
