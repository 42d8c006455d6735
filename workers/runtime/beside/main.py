"""`python -I -S main.py`: runs one command beside that of an attempt, and ends it and all that it started when told to, or when nobody is there any more.

On standard input a line of JSON says what to run, further lines are signals for it (`signal 2`) or its end (`kill`); the end
of the input is the caller's disappearance. One line on standard output says how it ended. Its own input and output are
inherited descriptors.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import termios
import time
from typing import Any, NoReturn

sys.path.append(__file__.rpartition("/workers/runtime/beside/")[0])  # -I keeps our own folder out of the path

from workers.runtime.beside.entering import enter
from workers.runtime.shim.command import adopt_orphans
from workers.runtime.shim.folder import Spec
from workers.runtime.shim.init import heed_all_signals
from workers.runtime.shim.processes import all_children, descendants, own_children, read_all, send

HANGUP_SECONDS = 1.0
LOOK_SECONDS = 1.0  # should a signal get lost
GIVE_UP_SECONDS = 10.0
NOT_FOUND, NOT_EXECUTABLE = 127, 126
NO_SHELLS = ("nologin", "false", "")
SHELLS = ("/bin/bash", "/bin/sh")


def main() -> None:
    asked, rest = read_line()
    adopt_orphans()
    wakeup, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    problem, pid = start(asked)
    for fd in {*asked["fds"]}:
        os.close(fd)
    if pid:
        ended(*supervise(pid, wakeup, rest))
    else:
        code = NOT_FOUND if isinstance(problem, FileNotFoundError) else NOT_EXECUTABLE
        ended(code, str(problem.strerror) if isinstance(problem, OSError) else str(problem))


def read_line() -> tuple[dict[str, Any], bytes]:
    """What is to be run, and what came behind it."""
    data = b""
    while b"\n" not in data:
        piece = os.read(0, 64 * 1024)
        if not piece:
            os._exit(0)  # nobody is there already
        data += piece
    line, _, rest = data.partition(b"\n")
    return json.loads(line), rest


def ended(code: int, message: str) -> None:
    os.write(1, json.dumps({"exit_code": code, "message": message}).encode() + b"\n")


def start(asked: dict[str, Any]) -> tuple[Exception | None, int]:
    """The process that has become the command, or why there is none."""
    failed, tell = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        become(asked, tell)
    os.close(tell)
    words = read_all(failed).decode(errors="replace")
    os.close(failed)
    if not words:
        return None, pid
    os.waitpid(pid, 0)
    number, _, sentence = words.partition(" ")
    return OSError(int(number), sentence), 0  # OSError finds the subclass that its number stands for


def become(asked: dict[str, Any], tell: int) -> NoReturn:
    try:
        spec = Spec(asked["folder"])
        environment = {**spec.env, **asked["env"]}
        argv = asked["argv"] or [shell(environment)]
        heed_all_signals()
        os.setsid()
        what = "cannot be where the job's command is"
        if enter(asked["folder"], spec):
            os.setsid()  # in the job's own count of processes, as a terminal wants it
        if asked["tty"]:
            fcntl.ioctl(asked["fds"][0], termios.TIOCSCTTY, 0)
        what = f"cannot enter working directory {spec.cwd!r}"
        os.chdir(spec.cwd)
        for target, fd in enumerate(asked["fds"]):
            os.dup2(fd, target)
        for fd in {*asked["fds"]}:
            os.close(fd)
        what = f"cannot start {argv[0]!r}"
        os.execvpe(argv[0], argv, environment)  # noqa: S606  no shell, as asked
    except BaseException as error:  # noqa: BLE001  told to the parent
        number, why = getattr(error, "errno", None) or 0, getattr(error, "strerror", None) or error
        os.write(
            tell, f"{number} {locals().get('what', 'cannot read what the job is')}: {why}".encode(errors="replace")
        )
    os._exit(NOT_EXECUTABLE)


def shell(environment: dict[str, str]) -> str:
    """The job's own, if it names one that is there."""
    own = environment.get("SHELL", "")
    usable = own.rpartition("/")[2] not in NO_SHELLS and os.access(own, os.X_OK)
    return own if usable else next((each for each in SHELLS if os.access(each, os.X_OK)), SHELLS[-1])


class Watch:
    """Over the command, until it has ended or is to end."""

    def __init__(self, pid: int, wakeup: int, rest: bytes) -> None:
        self.pid, self.wakeup, self.lines = pid, wakeup, rest
        self.kill_at = float("inf")
        self.poll = select.poll()
        self.poll.register(0, select.POLLIN)
        self.poll.register(wakeup, select.POLLIN)

    def run(self) -> None:
        self.obey()  # what came behind the first line
        while not has_ended(self.pid) and (left := self.kill_at - time.monotonic()) > 0:
            for fd, _ in self.poll.poll(min(left, LOOK_SECONDS) * 1000):
                if fd == self.wakeup:
                    with contextlib.suppress(BlockingIOError):
                        os.read(fd, 512)
                else:
                    self.hear()

    def hear(self) -> None:
        piece = os.read(0, 4096)
        self.lines += piece
        self.obey()
        if not piece:  # nobody is there any more
            self.poll.unregister(0)
            self.kill_at = min(self.kill_at, time.monotonic() + HANGUP_SECONDS)
            for each in descendants([os.getpid()], all_children()):
                send(each, signal.SIGHUP)
                send(each, signal.SIGCONT)

    def obey(self) -> None:
        *whole, self.lines = self.lines.split(b"\n")
        for line in whole:
            word, _, detail = line.partition(b" ")
            if word == b"signal" and detail.isdigit():
                send(-self.pid, int(detail))
            elif word == b"kill":
                self.kill_at = 0.0


def supervise(pid: int, wakeup: int, rest: bytes) -> tuple[int, str]:
    """Until the command has ended, and everything that it started with it."""
    Watch(pid, wakeup, rest).run()
    end_all(pid)
    if not has_ended(pid):
        return 128 + signal.SIGKILL, "the command did not die of SIGKILL"
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return (code if code >= 0 else 128 - code), ""


def has_ended(pid: int) -> bool:
    """It stays unreaped, so that its id is nobody else's."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def end_all(pid: int) -> None:
    """SIGKILL until nothing is left of it."""
    give_up = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < give_up:
        for child in own_children():
            if child != pid:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)
        left = [each for each in descendants([os.getpid()], all_children()) if each != pid or not has_ended(pid)]
        if not left:
            return
        for each in left:
            send(each, signal.SIGKILL)
        time.sleep(0.01)


if __name__ == "__main__":
    main()
    os._exit(0)
