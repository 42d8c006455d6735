"""Standing still: every process of a command is stopped where it is, keeps what it holds, and goes on from there.

The agent leaves a file and wakes the shim with SIGCONT, which a shim that knows nothing of this ignores. The file alone
is enough, also when the signal is lost: the shim looks for it with every look at its lease.
"""

import _signal  # type: ignore[import-not-found]  # the C module under `signal`
import posix
import time

from workers.runtime.shim.processes import all_children, descendants, send, stat_fields

SUSPENDED = "suspended"
SETTLING_ROUNDS = 20
SETTLING_SECONDS = 0.001
STILL = "TtZX"  # stopped, traced, or dead
IN_THE_KERNEL = "D"  # stops as it comes out; a parent in vfork stays there until its child goes on
NEVER = float("inf")


class Suspension:
    """Whether the command of an attempt's folder stands still, and what was left of its time when that began."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/{SUSPENDED}"
        self.on = False
        self.remaining = NEVER

    def apply(self, now: float, runtime_ends: float) -> float:
        """Does what the file says; returns when the command's time is over: never, while it stands still.

        Whatever was woken up by somebody else since the last look, or was forked a moment too early, is stopped again.
        """
        if not self.is_requested():
            return self.end(now, runtime_ends)
        if not self.on:
            self.on, self.remaining = True, runtime_ends - now
        stop_all()
        return NEVER

    def is_requested(self) -> bool:
        try:
            posix.stat(self.path)
        except OSError:
            return False
        return True

    def end(self, now: float, runtime_ends: float) -> float:
        """All go on; returns when the command's time is over."""
        if not self.on:
            return runtime_ends
        self.on = False
        for pid in reversed(tree()):  # children first: no parent finds its child stopped
            send(pid, _signal.SIGCONT)
        return now + self.remaining


def stop_all() -> None:
    """SIGSTOP for every process of the command, whatever its session, until none runs that could start another."""
    for _ in range(SETTLING_ROUNDS):
        moving = {pid: letter for pid in tree() if (letter := state_of(pid)) not in STILL}
        for pid in moving:
            send(pid, _signal.SIGSTOP)
        if all(letter == IN_THE_KERNEL for letter in moving.values()):
            return
        time.sleep(SETTLING_SECONDS)


def tree() -> list[int]:
    """Every process of the command, parents before their children: orphans among them have the shim as their parent."""
    return descendants([posix.getpid()], all_children())


def state_of(pid: int) -> str:
    """The letter that /proc has for it."""
    try:
        return stat_fields(pid)[0]
    except (OSError, IndexError):
        return "X"
