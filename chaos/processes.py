"""One process of the drill: started, killed, stopped and continued, and started again when it dies by itself."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from local_stack.servers.processes import Role

RESTART_SECONDS = 0.5
"""As long as the supervisor of the local stack waits before it starts again what has died."""


class Part:
    """A part of the platform. It runs, or is meant to; a fault may hold it down for a while."""

    def __init__(self, role: Role, log: Path, environment: Mapping[str, str]) -> None:
        self.role = role
        self.deaths = 0
        self._log = log
        self._environment = {**environment, **role.environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._start_at: float | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def code(self) -> int | None:
        """How it ended; None as long as it runs."""
        return self._process.poll() if self._process else None

    def twin(self, name: str, own: Mapping[str, str]) -> "Part":
        """The same a second time, with a log and settings of its own. Nobody starts it, or starts it again."""
        return Part(self.role, self._log.with_name(name), {**self._environment, **own})

    def said(self) -> list[str]:
        with suppress(FileNotFoundError):
            return self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return []

    def start(self) -> None:
        """Only from the main thread: the kernel ends it together with the thread that started it."""
        self._start_at = None
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.role.command,
                cwd=self.role.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def begin(self, after: float) -> None:
        """It is meant to run, in so many seconds at the earliest."""
        self._start_at = time.monotonic() + after

    def kill(self, back_after: float | None) -> None:
        """SIGKILL, and a start after so many seconds; None: it stays away."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None
        self._start_at = None
        if back_after is not None:
            self.begin(back_after)

    def end(self, number: signal.Signals, back_after: float) -> None:
        """Another signal that ends it, and a start when it has ended, but not before so many seconds."""
        self.signal(number)
        self.begin(back_after)

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def supervise(self) -> None:
        """Start it when it is time to, or when it has died by itself: called often."""
        if self._process is not None and self._process.poll() is not None:
            if self._start_at is None:
                self.deaths += 1
                self._start_at = time.monotonic() + RESTART_SECONDS
            self._process = None
        if self._process is None and self._start_at is not None and time.monotonic() >= self._start_at:
            self.start()

    def close(self, within: float) -> int | None:
        """Its own stop signal, then SIGKILL for it and what it left in its group; its exit code, if it ran."""
        self._start_at = None
        if self._process is None:
            return None
        self.signal(signal.SIGCONT)
        self.signal(self.role.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(within)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self._process = None
        return code
