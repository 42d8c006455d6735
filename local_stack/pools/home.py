"""A pool's folder: who holds its lock is the pool, and its socket is where others ask.

Nothing in it can be stale: the lock ends with its process, and without the lock the other files count for nothing.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from local_stack.pools.errors import NotRunningError, PoolError
from local_stack.servers import private_files

TRIES = 5
AGAIN_SECONDS = 0.1


class PoolHome:
    def __init__(self, home: Path, name: str) -> None:
        self.name = name
        self.folder = home / "pools" / name
        self.socket = self.folder / "socket"
        self.process_list = self.folder / "processes.json"
        self.log = self.folder / "log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the pool of this name on this machine; PoolError when another process is."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / "lock").open("a+", encoding="ascii") as lock:
            if not _acquire(lock):
                raise PoolError(
                    f"The pool {self.name} runs already (process {self.pid or 'unknown'}): "
                    f"`manage.py pool scale` changes its size, another --name starts a second one."
                )
            private_files.write(self.folder / "pid", str(os.getpid()))
            yield
            self.socket.unlink(missing_ok=True)
            (self.folder / "pid").unlink(missing_ok=True)

    @property
    def runs(self) -> bool:
        """Whether some process holds the lock now."""
        try:
            with (self.folder / "lock").open("r", encoding="ascii") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @property
    def pid(self) -> int:
        """The process that holds the lock, as it said itself; 0 when that is not known."""
        try:
            pid = int((self.folder / "pid").read_text(encoding="ascii"))
            return pid if "pool" in psutil.Process(pid).cmdline() else 0
        except (OSError, ValueError, psutil.Error):
            return 0

    def require_running(self) -> None:
        if not self.runs:
            raise NotRunningError(f"No pool {self.name} runs on this machine: `manage.py pool start` starts it.")

    @contextmanager
    def short_address(self) -> Iterator[str]:
        """The socket's address by way of an open folder: paths of sockets may have 107 bytes, homes may be longer."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            through = Path(f"/proc/self/fd/{descriptor}")
            yield str((through if through.exists() else self.folder) / self.socket.name)
        finally:
            os.close(descriptor)


def _acquire(lock: IO[str]) -> bool:
    """Whether the lock is ours now. Somebody who only looks whether a pool runs holds it for a moment."""
    for left in reversed(range(TRIES)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                time.sleep(AGAIN_SECONDS)
        else:
            return True
    return False
