"""What is run on a node before a job's command, so that it finds its environment: under a shim of its own, in the job's log.

Its output is the beginning of the job's: the log of the command goes on after it. What an agent was at when it was killed
ends with its lease at the latest; the next agent ends it at once and begins anew.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from executors.run.placement_run import PlacementRun
from jobs.state.outcome import PlacementOutcome
from scheduling.lifecycle import EndReason
from workers.environments.cache import remove
from workers.runtime.process import Command, CommandResult, Shim, find_shim, launch

FOLDER = "setup"
LOG = "log"
LOOK_SECONDS = 0.2
PIECE_BYTES = 256 * 1024
TAIL_BYTES = 2000
NOT_ITS_OWN = {"lost_lease": EndReason.LOST_LEASE, "platform_error": EndReason.PLATFORM_ERROR}


class StoppedError(Exception):
    """The job is to end before it has begun."""


class SetupError(Exception):
    """How the attempt ends: its environment is not there, in words."""

    def __init__(self, words: str, reason: EndReason = EndReason.SETUP_FAILED) -> None:
        super().__init__(words)
        self.reason = reason

    def ending(self, run: PlacementRun) -> PlacementOutcome:
        return run.failed(self.reason, str(self))


class SetupSteps:
    """The steps of one run, one after another."""

    def __init__(self, run: PlacementRun) -> None:
        self._run = run
        self.folder = run.folder / FOLDER
        self._log = os.open(run.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._ends_at = time.monotonic() + settings.SETUP_SECONDS
        self._clear()

    def _clear(self) -> None:
        """Of an agent before."""
        for folder in sorted(self.folder.glob("[0-9]*")):
            if (left := find_shim(folder)) is not None:
                left.kill()
                left.wait(LOOK_SECONDS)
        remove(self.folder)
        self.folder.mkdir(mode=0o711)
        self._taken = 0

    def close(self) -> None:
        os.close(self._log)
        remove(self.folder)

    def say(self, words: str) -> None:
        """A line in the job's log."""
        os.write(self._log, f"[environment] {words}\n".encode())

    def place(self) -> Path:
        """The folder of the next step, which is made."""
        self._taken += 1
        folder = self.folder / str(self._taken)
        folder.mkdir(mode=0o711)
        return folder

    @property
    def seconds_left(self) -> float:
        return max(1.0, self._ends_at - time.monotonic())

    def stop_if_asked(self) -> None:
        """Raises StoppedError."""
        if self._run.stopping is not None:
            raise StoppedError

    def step(self, command: Command, folder: Path, *, what: str) -> None:
        """Run it to its end. Raises SetupError where that is not a good one, StoppedError, OSError."""
        result = self.result(command, folder)
        if result.reason == "exited" and result.exit_code == 0:
            return
        if result.reason in NOT_ITS_OWN:
            raise SetupError(f"{what} was broken off: {result.message}", NOT_ITS_OWN[result.reason])
        raise SetupError(
            f"{what} failed{_how(result)}: {last_words(folder / LOG) or result.message or 'it said nothing'}"
        )

    def result(self, command: Command, folder: Path) -> CommandResult:
        """How it ended, its output being in the job's log by then. Raises StoppedError, OSError."""
        lease = self._run.lease_deadline
        shim = launch(folder, command, lease_deadline=lease)
        position = 0
        while (result := shim.wait(LOOK_SECONDS)) is None:
            position = self._copy(folder, position)
            if self._run.stopping is not None:
                self._stop(shim)
                raise StoppedError
            if self._run.lease_deadline != lease:
                lease = self._run.lease_deadline
                shim.renew(lease)
        self._copy(folder, position)
        return result

    def _stop(self, shim: Shim) -> None:
        shim.stop(0.0)
        if shim.wait(settings.KILL_GRACE_SECONDS) is None:
            shim.kill()
            shim.wait(settings.KILL_GRACE_SECONDS)

    def _copy(self, folder: Path, position: int) -> int:
        try:
            fd = os.open(folder / LOG, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return position
        try:
            while piece := os.pread(fd, PIECE_BYTES, position):
                position += os.write(self._log, piece)
        finally:
            os.close(fd)
        return position


def _how(result: CommandResult) -> str:
    if result.reason == "timeout":
        return f" within {settings.SETUP_SECONDS:g} seconds (TRAINYARD_SETUP_SECONDS)"
    if result.reason == "out_of_memory":
        return f" for want of memory ({result.message})"
    return f" with exit code {result.exit_code}" if result.exit_code is not None else ""


def last_words(log: Path, lines: int = 4) -> str:
    """The last lines of a log, as one."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    found: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(found[-lines:])[-600:]
