"""How a command begins behind a wall: forked, shut in, and only then what its owner asked for."""

import posix

from workers.runtime.shim.init import heed_all_signals
from workers.runtime.shim.processes import read_all
from workers.runtime.shim.wall import Wall

KIND, FOLDER = 0o170000, 0o040000
CLOSED = (2, 13)  # ENOENT, EACCES


class RefusalError(OSError):
    """The command was not started; `strerror` is a whole sentence."""

    by_node = False


class Unborn:
    """What is to be begun."""

    def become(self) -> None:
        """Turn this process into it; does not return."""
        raise NotImplementedError


def begin(unborn: Unborn, wall: Wall, cwd: str, output: int, init: int) -> int:
    """The id of a new process in a session of its own that has become it, behind the wall. Raises RefusalError.

    `init` is the first process of its view; 0: it builds its own.
    """
    failed, tell = posix.pipe()
    pid = posix.fork()
    if pid == 0:
        shut_in(unborn, wall, cwd, output, tell, init)
    posix.close(tell)
    words = read_all(failed).decode(errors="replace")  # nothing, as soon as it has become the command
    posix.close(failed)
    if not words:
        return pid
    posix.waitpid(pid, 0)
    number, by_node, sentence = words.split(" ", 2)
    refusal = RefusalError(int(number), sentence)
    refusal.by_node = by_node == "1"
    raise refusal


def shut_in(unborn: Unborn, wall: Wall, cwd: str, output: int, tell: int, init: int) -> None:
    """Does not return."""
    before, instead, by_node = "cannot give the command a place of its own: ", "", 1
    try:
        seen = is_folder(cwd)  # from outside
        heed_all_signals()
        posix.setsid()
        wall.enter(init)
        before, instead, by_node = f"cannot enter working directory {cwd!r}: ", closed(wall) if seen else "", 0
        posix.chdir(cwd)
        for target, fd in enumerate((posix.open("/dev/null", posix.O_RDONLY), output, output)):
            posix.dup2(fd, target)
        before = instead = ""
        unborn.become()
    except BaseException as error:  # noqa: BLE001  told to the shim
        number, why = getattr(error, "errno", None) or 0, getattr(error, "strerror", None) or error
        why = instead if instead and number in CLOSED else why
        posix.write(tell, f"{number} {by_node} {before}{why}".encode(errors="replace"))
    finally:
        posix._exit(127)  # noqa: SLF001  whatever happens, this is not a second shim


def is_folder(path: str) -> bool:
    try:
        return posix.stat(path).st_mode & KIND == FOLDER
    except OSError:
        return False


def closed(wall: Wall) -> str:
    """A folder that is there for its owner may not be there for the command's user."""
    if wall.uid < 0:
        return ""
    who = f"it is there, but closed to user {wall.uid}, as which the command runs"
    return f"{who}. Put it where everybody may go, or name it in TRAINYARD_JOB_FOLDERS of the node's agent"
