"""Commands on this machine: start one under its shim, follow it, stop it, and find it again after a restart of the agent."""

import contextlib
import json
import math
import os
import select
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from workers.runtime import process_tree
from workers.runtime.shim.clock import boottime
from workers.runtime.shim.processes import send
from workers.runtime.shim.suspension import SUSPENDED
from workers.runtime.shim_server import ShimServer

LEASE_CHARACTERS = 32  # more than any number has
LEASE_CLOCK = "boottime"
POLL_SECONDS = 0.2  # only where the kernel cannot tell when a process ends


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, in its complete environment, and within which limits."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    log_limit_bytes: int
    grace_seconds: float
    max_runtime_seconds: float | None = None
    timeout_grace_seconds: float | None = None  # when that is over; None: as any other grace
    lease_grace_seconds: float = 5.0
    memory_limit_bytes: int = 0  # 0: none
    memory_enforced: bool = True  # else only told at the end
    cores: tuple[int, ...] = ()  # empty: any
    group: str = ""  # the folder of its control group; empty: none
    process_limit: int = 0  # processes and threads; 0: none
    after: tuple[
        str, ...
    ] = ()  # run by the shim when nothing of the command is left, in its environment; empty: nothing
    wall: Mapping[str, object] | None = None  # see `shim.wall`; None: it runs as the agent does


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended. `reason`: exited, start_failed, stopped, timeout, out_of_memory, lost_lease or shim_lost."""

    reason: str
    exit_code: int | None
    message: str
    started_at: float | None
    ended_at: float | None
    peak_memory_bytes: int | None = None
    cpu_seconds: float | None = None

    @classmethod
    def from_status(cls, status: Mapping[str, Any]) -> Self:
        known: dict[str, Any] = {field.name: status.get(field.name) for field in fields(cls)}
        return cls(**known)


server = ShimServer()


def launch(folder: Path, command: Command, *, lease_deadline: float) -> "Shim":
    """Starts the command under a shim of its own; it runs until `lease_deadline` (see `shim.clock`) unless renewed."""
    folder = folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in ("status.json", "status.next", "status.end", "stop", SUSPENDED):
        (folder / leftover).unlink(missing_ok=True)
    spec = {field.name: getattr(command, field.name) for field in fields(command)}
    spec["env"] = {**command.env, process_tree.MARKER: str(folder)}
    spec["lease_clock"] = LEASE_CLOCK
    write_private(folder / "spec.json", json.dumps(spec))
    write_private(folder / "lease", repr(lease_deadline))
    pid, start = server.start_shim(folder)
    return Shim(folder, pid, start)


def find_shim(folder: Path) -> "Shim | None":
    """The shim that an earlier agent started in this folder, running or ended; None if none ever came to work here."""
    folder = folder.absolute()
    status = read_status(folder)
    return None if status is None else Shim(folder, status["shim_pid"], status["shim_start"])


def never_launched(folder: Path) -> bool:
    """Whether `launch` was not even begun in this folder: certainly nothing runs for it."""
    return not (folder / "spec.json").exists()


def cores_of(folder: Path) -> tuple[int, ...]:
    """The cores that the command in this folder was given."""
    try:
        return tuple(json.loads((folder / "spec.json").read_text())["cores"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def environment_of(folder: Path) -> Mapping[str, str]:
    """The environment in which the command in this folder was started; empty where that cannot be told."""
    try:
        return dict(json.loads((folder / "spec.json").read_text(encoding="utf-8"))["env"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def slept_uncounted(folder: Path) -> float:
    """What the clock of the shim in this folder lacks: shims of an earlier version count on the monotonic one."""
    try:
        known = json.loads((folder / "spec.json").read_text()).get("lease_clock") == LEASE_CLOCK
    except (OSError, ValueError, AttributeError):
        known = True
    return 0.0 if known else boottime() - time.monotonic()


class Shim:
    """One command under its shim. Every method is safe to call from any thread, and after the end."""

    def __init__(self, folder: Path, pid: int, start: int) -> None:
        self.folder = folder
        self.pid = pid
        self._start = start
        self._slept_uncounted = slept_uncounted(folder)
        self._outcome: CommandResult | None = None
        self._ending = threading.Lock()

    def status(self) -> dict[str, Any] | None:
        """The last words of the shim; None until it has said any."""
        return read_status(self.folder)

    def wait(self, timeout: float | None = None) -> CommandResult | None:
        """Blocks until the command and all it started have ended; None when `timeout` seconds were not enough."""
        if self._outcome is None and not self._wait_process(timeout):
            return None
        with self._ending:
            if self._outcome is None:
                self._outcome = self._conclude()
            return self._outcome

    def stop(self, grace_seconds: float | None = None) -> None:
        """Asks the command to end: SIGTERM, then SIGKILL after the grace. A repeated stop may only shorten the grace."""
        if grace_seconds is not None:
            with contextlib.suppress(OSError):  # without the file the grace of the command holds
                replace_file(self.folder / "stop", repr(grace_seconds))
        self._signal(signal.SIGTERM)

    def suspend(self) -> None:
        """Has the command stand still: SIGSTOP for all its processes, until `go_on`. It keeps what it holds.

        The shim keeps to it without us, also over a restart of the agent; a stop wakes the command up.
        """
        replace_file(self.folder / SUSPENDED, "")
        self._signal(signal.SIGCONT)

    def go_on(self) -> None:
        """The end of a suspension: SIGCONT for all processes of the command, and the clock of its limit runs again."""
        (self.folder / SUSPENDED).unlink(missing_ok=True)
        self._signal(signal.SIGCONT)

    @property
    def suspended(self) -> bool:
        """Whether the command is to stand still."""
        return (self.folder / SUSPENDED).exists()

    def kill(self) -> None:
        """SIGKILL for the shim and everything that it watches."""
        self._signal(signal.SIGKILL)
        process_tree.kill(self.folder, self.status())

    def renew(self, lease_deadline: float) -> None:
        """Lets the command run until `lease_deadline` (see `shim.clock`).

        On a full disk the room of the old lease is used. If even that fails the old lease holds, and the shim ends the
        command with it: nobody has to be told.
        """
        text = repr(lease_deadline - self._slept_uncounted)
        try:
            replace_file(self.folder / "lease", text)
        except OSError:
            with contextlib.suppress(OSError):
                overwrite(self.folder / "lease", text)

    def _alive(self) -> bool:
        return process_tree.is_running(self.pid, self._start)

    def _signal(self, number: int) -> None:
        if self._alive():
            send(self.pid, number)

    def _wait_process(self, timeout: float | None) -> bool:
        """Whether the shim has ended within the timeout; the kernel wakes us."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while self._alive():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            wait_for_end(self.pid, self._start, left)
        return True

    def _conclude(self) -> CommandResult:
        status = self.status()
        if status is not None and status["phase"] == "ended":
            return CommandResult.from_status(status)
        process_tree.kill(self.folder, status)
        lost = {
            **(status or {"started_at": None}),
            "phase": "ended",
            "reason": "shim_lost",
            "exit_code": None,
            "message": shim_lost_message(self.folder),
            "ended_at": time.time(),
        }
        if status is not None:
            with contextlib.suppress(OSError):
                replace_file(self.folder / "status.json", json.dumps(lost))
        return CommandResult.from_status(lost)


def wait_for_end(pid: int, start: int, seconds: float) -> None:
    """Returns when the process has ended or the time is over, whichever is first."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):
        time.sleep(min(POLL_SECONDS, seconds))
        return
    try:
        if process_tree.is_running(pid, start):  # the descriptor is of our process, not of a reused id
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(min(seconds, 3600.0) * 1000)
    finally:
        os.close(fd)


def shim_lost_message(folder: Path) -> str:
    try:
        last_words = (folder / "shim.err").read_text(errors="replace").strip().splitlines()[-1:]
    except OSError:
        last_words = []
    return ": ".join(["the shim ended without a word about the command", *last_words])


def read_status(folder: Path) -> dict[str, Any] | None:
    try:
        status = json.loads((folder / "status.json").read_text())
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) and "phase" in status else None


def replace_file(path: Path, text: str) -> None:
    """Replaced as a whole: a reader sees the old text or the new one."""
    temporary = path.with_name(f"{path.name}.{threading.get_ident()}.tmp")
    write_private(temporary, text)
    temporary.replace(path)


def overwrite(path: Path, text: str) -> None:
    """Writes over the beginning of a file that is there, and blanks over the rest of its line: takes no new room."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, text.ljust(LEASE_CHARACTERS).encode(), 0)
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
