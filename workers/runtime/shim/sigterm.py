"""Whom SIGTERM is sent to: every process of the command, but not those for which another process of it answers.

A process that catches SIGTERM has work to save, and may need its helpers for that: copies of itself that load its data,
what Python's multiprocessing began anew, what it has put out of reach of signals for groups, and all that is below
those. They are told when it has ended before them. A shell's copy of itself is one more shell, and is told at once.
So it is with what it begins after it was told, whatever that is: a shell's trap saves by programs.
"""

import _signal  # type: ignore[import-not-found]  # the C module under `signal`
import posix

from workers.runtime.shim.processes import all_children, children, descendants, read_text, send, stat_fields

FORKED_ONLY = 0x40  # PF_FORKNOEXEC: it runs what its parent ran
SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "busybox")
MULTIPROCESSING = (
    "--multiprocessing-fork",
    "from multiprocessing.",
    "from joblib.externals.loky",
    "joblib.externals.loky",
)
ROUNDS = 5


class SigtermDelivery:
    """Who of a command has been told to end: nobody is told twice."""

    def __init__(self) -> None:
        self.sent: set[int] = set()
        self.had: dict[int, set[int]] = {}
        """The children of those that catch it when they were told."""

    def deliver(self) -> None:
        """Tell all that are to be told by now; who was started meanwhile is found in the next round."""
        for _ in range(ROUNDS):
            found = all_children()
            new = [pid for pid in self.recipients(found) if pid not in self.sent]
            if not new:
                return
            self.sent.update(new)
            for pid in new:
                if catches_term(pid):
                    self.had[pid] = {*found.get(pid, ()), *children(pid)}
                send(pid, _signal.SIGTERM)

    def recipients(self, found: dict[int, list[int]]) -> list[int]:
        """All judged before the first is told: who dies of it answers for nobody any more."""
        parents = {child: parent for parent, below in found.items() for child in below}
        answered: set[int] = set()
        below = descendants([posix.getpid()], found)  # parents before their children
        for pid in below:
            parent = parents[pid]
            if parent in answered or self.started_after_sigterm(parent, pid) or supervises(parent, pid):
                answered.add(pid)
        return [pid for pid in below if pid not in answered]

    def started_after_sigterm(self, parent: int, pid: int) -> bool:
        """Whether `parent` began its child after it was told itself."""
        return parent in self.had and pid not in self.had[parent]


def supervises(parent: int, pid: int) -> bool:
    """Whether `parent` sees to it that its child ends; of an orphan the shim is the parent, which does not."""
    if parent == posix.getpid() or not catches_term(parent):
        return False
    try:
        apart = posix.getpgid(pid) != posix.getpgid(parent)
        return apart or is_copy(pid, parent) or is_multiprocessing_child(pid)
    except (OSError, ValueError, IndexError):  # one of them is gone
        return False


def catches_term(pid: int) -> bool:
    try:
        caught = read_text(f"/proc/{pid}/status").partition("\nSigCgt:")[2].split("\n")[0]
        return bool(int(caught, 16) >> (_signal.SIGTERM - 1) & 1)
    except (OSError, ValueError):
        return False


def is_copy(pid: int, parent: int) -> bool:
    return bool(int(stat_fields(pid)[6]) & FORKED_ONLY) and program(parent) not in SHELLS


def is_multiprocessing_child(pid: int) -> bool:
    return any(word.startswith(MULTIPROCESSING) for word in read_text(f"/proc/{pid}/cmdline").split("\0"))


def program(pid: int) -> str:
    """The name of the file that a process runs."""
    return posix.readlink(f"/proc/{pid}/exe").rpartition("/")[2]
