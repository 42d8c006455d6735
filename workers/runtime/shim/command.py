"""The running command: its main process, its output, and everything that it started."""

import _ctypes
import _signal  # type: ignore[import-not-found]  # the C module under `signal`
import posix
import time

from workers.runtime.shim import init
from workers.runtime.shim.birth import RefusalError, Unborn, begin
from workers.runtime.shim.folder import Spec
from workers.runtime.shim.group import Group, attempt
from workers.runtime.shim.processes import all_children, descendants, own_children, send
from workers.runtime.shim.wall import Wall

KILL_WAIT_SECONDS = 10.0  # a process stuck in the kernel does not die; say so instead of waiting for ever
PATIENT_SECONDS = 0.05
PR_SET_CHILD_SUBREAPER = 36
NO_SUCH_FILE = 2
# No more processes, memory or open files (EAGAIN, ENOMEM, ENFILE, EMFILE); the disk fails or is away (EIO, ENOSPC, ESTALE).
FAULTS_OF_NODE = (11, 12, 23, 24, 5, 28, 116)
DIES_BEFORE_US = b"500"  # when the machine runs out of memory: the agent and its shims are small, and needed
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def adopt_orphans() -> None:
    """From now on a process whose parent ended becomes a child of the shim, not of init: none can escape."""
    program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]  # as dlopen(3): this process itself
    prctl = _ctypes.dlsym(program, "prctl")
    _ctypes.call_cdeclfunction(prctl, (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


class Command(Unborn):
    """Started in a session and process group of its own, whose id is that of its main process."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.group = Group(spec.group)
        self.pid = 0
        self.init = 0
        """The first process of its own view of processes; 0: it has none."""
        self.output = -1
        self.blames_node = False

    def start(self) -> str:
        """Starts the command; returns what went wrong, or an empty text."""
        self.output, output_write = posix.pipe()
        posix.set_blocking(self.output, False)
        if self.spec.wall is not None and self.spec.wall.uid >= 0:
            posix.fchown(output_write, self.spec.wall.uid, -1)  # else nothing can open its /dev/stdout
        try:
            if self.spec.wall is None:
                posix.chdir(self.spec.cwd)
        except (OSError, ValueError) as error:
            self.blames_node = getattr(error, "errno", None) in FAULTS_OF_NODE
            return f"cannot enter working directory {self.spec.cwd!r}: {reason(error)}"
        try:
            self.pid = self.spawn_within(output_write)
            attempt(f"/proc/{self.pid}/oom_score_adj", DIES_BEFORE_US)
        except RefusalError as refusal:
            self.blames_node = refusal.by_node or refusal.errno in FAULTS_OF_NODE
            return str(refusal.strerror)
        except (OSError, ValueError) as error:
            self.blames_node = getattr(error, "errno", None) in FAULTS_OF_NODE
            return f"cannot start {self.spec.argv[0]!r}: {reason(error)}"
        finally:
            posix.close(output_write)
            if not self.pid:
                self.close()
        return ""

    def spawn_within(self, output: int) -> int:
        """The command inherits its cores and its group from the shim, which goes back to its own at once."""
        own = posix.sched_getaffinity(0)
        try:
            self.group.enter()
            if self.spec.cores:
                posix.sched_setaffinity(0, own.intersection(self.spec.cores) or own)
            if self.spec.wall is not None:
                self.open_view(self.spec.wall)
                return begin(self, self.spec.wall, self.spec.cwd, output, self.init)
            return self.search(output)
        finally:
            posix.sched_setaffinity(0, own)
            self.group.leave()

    def open_view(self, wall: Wall) -> None:
        """Raises RefusalError, which blames the node."""
        if not wall.view:
            return
        try:
            self.init = init.start(wall)
        except OSError as error:
            refusal = RefusalError(error.errno, f"cannot give the command a view of its own: {error.strerror}")
            refusal.by_node = True
            raise refusal from None

    def close(self) -> None:
        """The end of its view: once the main process was waited for, nothing of it is left."""
        if self.init:
            init.end(self.init)
            init.reap(self.init)

    def become(self) -> None:
        """For the process behind the wall: does not return."""
        try:
            self.search(-1)
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None) or 0
            raise OSError(number, f"cannot start {self.spec.argv[0]!r}: {reason(error)}") from None

    def search(self, output: int) -> int:
        """Tries each place where the command may lie; like a shell, prefers to say that a file may not be executed."""
        problem = OSError(NO_SUCH_FILE, posix.strerror(NO_SUCH_FILE))
        for path in self.paths():
            try:
                return self.run(path, output)
            except (FileNotFoundError, NotADirectoryError):
                if exists(path):
                    raise OSError(NO_SUCH_FILE, "the interpreter named in its first line does not exist") from None
            except PermissionError as error:
                problem = error
        raise problem

    def run(self, path: str, output: int) -> int:
        """A new process, or without an output this one."""
        if output >= 0:
            return spawn(path, self.spec.argv, self.spec.env, output)
        return posix.execve(path, self.spec.argv, self.spec.env)

    def paths(self) -> list[str]:
        name = self.spec.argv[0]
        if "/" in name:
            return [name]
        return [f"{folder or '.'}/{name}" for folder in self.spec.env.get("PATH", DEFAULT_PATH).split(":")]

    def ended(self) -> bool:
        """Whether the main process has ended. It stays unreaped, so that its id cannot be given to another."""
        return posix.waitid(posix.P_PID, self.pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT) is not None

    def died_of_sigterm(self) -> bool:
        """Whether its main process, which has ended, was killed by that signal."""
        seen = posix.waitid(posix.P_PID, self.pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT)
        return seen is not None and seen.si_code == posix.CLD_KILLED and seen.si_status == _signal.SIGTERM

    def exit_code(self) -> int:
        """How the main process ended; below zero for a signal."""
        return posix.waitstatus_to_exitcode(posix.waitpid(self.pid, 0)[1])

    def signal(self, number: int) -> None:
        send(-self.pid, number)

    def others(self) -> list[int]:
        """The living processes of the command beside its main one, once that one has ended; reaps the dead."""
        own = (self.pid, self.init)
        if all(pid in own for pid in own_children()) and not (self.init and init.orphans(self.init)):
            return []  # the usual case, and cheap: all orphans of the command would be here
        for pid in own_children():
            if pid not in own:
                posix.waitpid(pid, posix.WNOHANG)
        return [pid for pid in descendants([posix.getpid()], all_children()) if pid not in own]

    def kill(self) -> int:
        """SIGKILL until nothing is left; returns how many processes would not die."""
        give_up = time.monotonic() + KILL_WAIT_SECONDS
        pause = 0.001
        self.group.kill()
        self.signal(_signal.SIGKILL)
        while True:
            others = self.others()
            left = len(others) + (not self.ended())
            if not left or time.monotonic() > give_up:
                return left
            self.signal(_signal.SIGKILL)
            for pid in others:
                send(pid, _signal.SIGKILL)
            if (
                self.init and pause > PATIENT_SECONDS
            ):  # it reaps them one by one, and so their time counts, while it can
                init.end(self.init)
            time.sleep(pause)
            pause = min(pause * 2, 0.1)

    def clean_up(self) -> None:
        """Has ended what the command left with others, such as a container with its daemon; waits for that, not for ever."""
        if not self.spec.after:
            return
        nowhere = posix.open("/dev/null", posix.O_WRONLY)
        try:
            pid = spawn(self.spec.after[0], self.spec.after, self.spec.env, nowhere)
        except (OSError, ValueError):
            return
        finally:
            posix.close(nowhere)
        give_up = time.monotonic() + KILL_WAIT_SECONDS
        while posix.waitpid(pid, posix.WNOHANG) == (0, 0):
            if time.monotonic() > give_up:
                send(pid, _signal.SIGKILL)
            time.sleep(0.02)


def spawn(path: str, argv: list[str], env: dict[str, str], output: int) -> int:
    """The id of the new process: a session of its own, no input, and no signal ignored or blocked by inheritance."""
    return posix.posix_spawn(
        path,
        argv,
        env,
        file_actions=[
            (posix.POSIX_SPAWN_OPEN, 0, "/dev/null", posix.O_RDONLY, 0),
            (posix.POSIX_SPAWN_DUP2, output, 1),
            (posix.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=_signal.valid_signals(),
    )


def reason(error: Exception) -> object:
    return getattr(error, "strerror", None) or error


def exists(path: str) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True
