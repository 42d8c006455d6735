"""Forks shims for an agent: a running interpreter forks in 1 ms, a new one takes 15 ms of processor time to start."""

import _signal  # type: ignore[import-not-found]  # the C module under `signal`
import posix

from workers.runtime.shim.processes import start_ticks
from workers.runtime.shim.supervisor import Supervisor

READ_BYTES = 64 * 1024


def serve() -> None:
    """Answers each folder on standard input, ended by NUL, with the id and the start of its shim; ends with the agent."""
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)  # nobody waits for a shim: the system reaps it
    rest = b""
    while data := posix.read(0, READ_BYTES):
        *folders, rest = (rest + data).split(b"\0")
        for folder in folders:
            posix.write(1, fork_shim(folder.decode(errors="surrogateescape")).encode())


def fork_shim(folder: str) -> str:
    try:
        pid = posix.fork()
    except OSError as error:
        return f"0 {error.errno}\n"
    if pid == 0:
        become_shim(folder)
    return f"{pid} {start_ticks(pid)}\n"


def become_shim(folder: str) -> None:
    """Does not return. An error is not caught: it ends this process, with its traceback in `shim.err`."""
    errors = posix.open(f"{folder}/shim.err", posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o600)
    null = posix.open("/dev/null", posix.O_RDWR)
    for target, fd in enumerate((null, null, errors)):
        posix.dup2(fd, target)
    posix.close(null)
    posix.close(errors)
    Supervisor(folder).run()
    posix._exit(0)  # noqa: SLF001  nothing to tidy up, and no way back into the server
