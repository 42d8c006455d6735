"""Processes of the platform that begin as forks of one that has loaded its packages: each saves the second in which it would load them.

Such a process differs from one that was executed in nothing but how its modules came there, and in what /proc says of its
command and its environment. `python fork_server.py FD` serves the socket; `Forks` asks it. No module of ours is loaded before
the fork: what they read as they load, settings above all, is each process's own.
"""

import array
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = (
    "celery.apps.beat", "celery.apps.worker", "celery.bin.celery", "celery.concurrency.thread",
    "celery.worker.consumer", "django.contrib.admin", "django.contrib.auth", "django.contrib.postgres.fields",
    "django.core.management.commands.runserver", "django.db.backends.postgresql.base", "django.db.models", "django.urls",
    "django.template", "django.views.generic", "environ", "httpx", "kombu.transport.redis", "kombu.transport.virtual",
    "psycopg", "pynvml", "redis.sentinel", "requests", "rest_framework.compat", "psutil",
)  # fmt: skip
MOST = 1_000_000  # bytes of one request
AT_EXECUTION = ("LD_", "PYTHON", "MALLOC_")


def can_begin_with(env: dict[str, str]) -> bool:
    """Whether a fork heeds all of it: some variables count only for what is executed."""
    return all(env.get(name) == os.environ.get(name) for name in {*env, *os.environ} if name.startswith(AT_EXECUTION))


class Fork:
    """A process, asked as one of subprocess.Popen."""

    def __init__(self, pid: int, forks: "Forks") -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._forks = forks
        self._ended = os.pidfd_open(pid)

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or less than nothing for the signal that ended it. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = self._forks.ask({"wait": self.pid})
            os.close(self._ended)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._ended, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forks:
    """The server, started when the first process is wanted; it ends with who asks it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def start(self, words: list[str], cwd: Path, env: dict[str, str], log: int) -> Fork:
        """`words`: those after the Python, a file or `-m` and a module. Standard output and errors go to `log`."""
        return Fork(self.ask({"words": words, "cwd": str(cwd), "env": env}, log), self)

    def ask(self, request: dict[str, Any], *files: int) -> int:
        if self._socket is None:
            self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-P", __file__, str(theirs.fileno())]
            subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True)
            theirs.close()
        sent = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        self._socket.sendmsg([json.dumps(request).encode()], sent)
        return int(self._socket.recv(100))


def serve(end: socket.socket) -> list[str]:
    """Returns in each process that was forked, with its words; ends when nobody asks any more."""
    while True:
        asked, files, _, _ = socket.recv_fds(end, MOST, 1)
        if not asked:
            sys.exit()
        request = json.loads(asked)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif not (answer := os.fork()):
            end.close()
            begin(request["cwd"], request["env"], files[0])
            return list(request["words"])
        for file in files:
            os.close(file)
        end.send(str(answer).encode())


def begin(cwd: str, env: dict[str, str], log: int) -> None:
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.path.insert(0, cwd)


def load() -> None:
    for package in PACKAGES:
        importlib.import_module(package)


if __name__ == "__main__":
    load()
    sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.orig_argv = [sys.executable, *sys.argv]  # with which a process executes itself anew
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
