"""The first process of a command's own table of processes: it holds the command's view, and all of it ends with it.

The shim forks it before the command, which is born in the same table and is the shim's child all the same. It reaps what
nobody else waits for, catches nothing, and can be signalled from outside alone. The kernel kills whatever is left in there
when it ends, and ends it with the shim.
"""

import _signal  # type: ignore[import-not-found]  # the C module under `signal`
import posix
import time

from workers.runtime.shim.processes import all_children, read_all, read_text, send
from workers.runtime.shim.wall import CLONE_NEWPID, Wall, call

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
MOST_FILES = 1 << 20
NAME = b"job init"
REAP_SECONDS = 2.0


def start(wall: Wall) -> int:
    """Its id. What this process forks from now on is born in its table. Raises OSError."""
    call("unshare", CLONE_NEWPID)
    failed, tell = posix.pipe()
    pid = posix.fork()
    if pid == 0:
        become(wall, tell)
    posix.close(tell)
    words = read_all(failed).decode(errors="replace")
    posix.close(failed)
    if words == "0":
        return pid
    posix.waitpid(pid, 0)
    number, _, why = words.partition(" ")
    raise OSError(int(number or 0), why or "the first process of its view has ended")


def become(wall: Wall, tell: int) -> None:
    """Does not return."""
    try:
        heed_all_signals((_signal.SIGCHLD,))
        posix.setsid()
        wall.own_mounts()
        close_all_but(tell)
        rename()
        wall.change_user()
        call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)  # a job of the same user may not look into it
        call("prctl", PR_SET_PDEATHSIG, _signal.SIGKILL, 0, 0, 0)
        posix.write(tell, b"0")  # fails if the shim has ended before the line above
        posix.close(tell)
        reap_for_ever()
    except BaseException as error:  # noqa: BLE001  told to the shim
        number, why = getattr(error, "errno", None) or 0, getattr(error, "strerror", None) or error
        posix.write(tell, f"{number} {why}".encode(errors="replace"))
    finally:
        posix._exit(127)  # noqa: SLF001  whatever happens, this is not a second shim


def reap_for_ever() -> None:
    while True:
        try:
            while posix.waitpid(-1, posix.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        _signal.sigwait((_signal.SIGCHLD,))


def close_all_but(kept: int) -> None:
    null = posix.open("/dev/null", posix.O_RDWR)
    for target in (0, 1, 2):
        posix.dup2(null, target)
    posix.closerange(3, kept)
    posix.closerange(kept + 1, MOST_FILES)


def rename() -> None:
    fd = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
    posix.write(fd, NAME)
    posix.close(fd)


def orphans(pid: int) -> list[int]:
    """What this first process looks after, dead or alive."""
    try:
        return [int(child) for child in read_text(f"/proc/{pid}/task/{pid}/children").split()]
    except OSError:  # it has ended, or a kernel without that file
        return all_children().get(pid, [])


def end(pid: int) -> None:
    """SIGKILL for it and all in its table. It is gone only when its children are, and whom the shim has to wait for."""
    send(pid, _signal.SIGKILL)


def reap(pid: int) -> None:
    """Wait for its end, so that the processor time of what it looked after counts; not for ever."""
    give_up, pause = time.monotonic() + REAP_SECONDS, 0.0005
    try:
        while not posix.waitpid(pid, posix.WNOHANG)[0] and time.monotonic() < give_up:
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
    except ChildProcessError:
        return


def heed_all_signals(blocked: tuple[int, ...] = ()) -> None:
    """No signal is ignored or caught by inheritance, nor blocked but these."""
    _signal.set_wakeup_fd(-1)
    for number in _signal.valid_signals():
        if number not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked)
