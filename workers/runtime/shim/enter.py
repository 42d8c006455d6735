"""The door for a further command: `python -I -S enter.py FOLDER PID START JOINED COMMAND...` runs it inside the walls of what runs in FOLDER.

Nothing of the attempt's own (its variables, its folders) is heeded before this process has become its user.
"""

import _signal  # type: ignore[import-not-found]  # the C module under `signal`
import posix
import sys

sys.path.append(__file__.rpartition("/workers/runtime/shim/")[0])  # -I keeps our own folder out of the path

from workers.runtime.shim.command import Command
from workers.runtime.shim.folder import Spec
from workers.runtime.shim.init import PR_SET_PDEATHSIG
from workers.runtime.shim.processes import start_ticks
from workers.runtime.shim.wall import call

CANNOT_START = 127
KILLED = 128


def enter(folder: str, pid: int, start: int, joined: list[str], argv: list[str]) -> int:
    """The exit code of the command. Raises OSError."""
    spec = Spec(folder)
    spec.argv = argv
    command = Command(spec)
    join(pid, start, joined)
    command.group.enter()
    child = posix.fork()  # only a child is born among the processes that were joined
    if child == 0:
        become(command)
    for number in (_signal.SIGINT, _signal.SIGQUIT):  # of a terminal: the command's to answer
        _signal.signal(number, _signal.SIG_IGN)
    code = posix.waitstatus_to_exitcode(posix.waitpid(child, 0)[1])
    return code if code >= 0 else KILLED - code


def join(pid: int, start: int, names: list[str]) -> None:
    found = [posix.open(f"/proc/{pid}/ns/{name}", posix.O_RDONLY | posix.O_CLOEXEC) for name in names]
    if start_ticks(pid) != start:  # looked at when they are open: it was this one whose they are
        raise ProcessLookupError(3, "it has ended")
    for fd in found:
        call("setns", fd, 0)
        posix.close(fd)


def become(command: Command) -> None:
    """Does not return."""
    try:
        if command.spec.wall is not None:
            command.spec.wall.change_user()
        call("prctl", PR_SET_PDEATHSIG, _signal.SIGKILL, 0, 0, 0)
        posix.chdir(command.spec.cwd)
        command.become()
    except OSError as error:
        posix.write(2, f"{error.strerror}\n".encode(errors="replace"))
    finally:
        posix._exit(CANNOT_START)  # noqa: SLF001  this is not a second door


if __name__ == "__main__":
    try:
        result = enter(
            sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",") if sys.argv[4] else [], sys.argv[5:]
        )
    except OSError as error:
        posix.write(2, f"Cannot get inside: {error.strerror}.\n".encode(errors="replace"))
        result = CANNOT_START
    posix._exit(result)  # noqa: SLF001  nothing to tidy up
