"""How much memory the command's processes use together, and the most that it ever was.

Memory that cannot be taken back counts: anonymous pages and shared memory, each page once however many processes share
it. Files that are mapped do not: the system drops their pages when it needs room.
"""

import posix
import time

from workers.runtime.shim.processes import family, read_short, read_text, threads_of

PAGE_BYTES = posix.sysconf("SC_PAGE_SIZE")
QUICKEST_SECONDS, SLOWEST_SECONDS = 0.25, 1.0
FILLED_IN_A_SECOND = 8 * 2**30
"""No command fills memory much faster: the further from its limit, the longer the next look may wait."""
WALK_SECONDS = 0.9
"""How long the list of processes is good for: to find them takes longer than to look at them."""
PAUSE_FOR_EXACT = 50
"""To count shared pages once, the system walks through all of them: for at most a fiftieth of the time."""
NEWS = 1.05
"""Below the limit the exact figure is asked for again when the cheap one has grown by this factor."""
NEVER = float("inf")


class MemoryMonitor:
    """Looks at the processes from time to time. A limit of 0 bytes is none."""

    def __init__(self, limit: int) -> None:
        self.limit = limit or NEVER
        self.peak = 0
        self.most = 0
        self.pids: list[int] = []
        self.apart = 0
        """A process below the shim that is none of the command's."""
        self.threads = 0
        self.most_threads = 0
        """0: they are not counted."""
        self.files = -1
        """The folder of shared memory that is the command's own, with whatever lies in there; below zero: it has none."""
        self.walk_at = self.exact_at = self.news_above = 0.0

    def measure(self, now: float, parent: int) -> None:
        """Notes a new peak of what is below `parent`. The cheap figure is never too small: often it is enough."""
        if now >= self.walk_at:
            self.walk(parent)
            self.walk_at = now + WALK_SECONDS
        in_files = tmpfs_bytes(self.files)
        self.most = sum([resident(pid) for pid in self.pids]) + in_files
        if self.most <= self.peak:
            return
        if len(self.pids) == 1:
            self.note(own_bytes(self.pids[0]), in_files)
        elif now >= self.exact_at and self.most > min(self.limit, self.news_above):
            self.note(sum([pss_bytes(pid) for pid in self.pids]), in_files)
            self.exact_at = now + PAUSE_FOR_EXACT * (time.monotonic() - now)
            self.news_above = self.most * NEWS

    def walk(self, parent: int) -> None:
        """Find the processes anew, and count their threads if there is a limit to them."""
        if not self.most_threads:
            self.pids = [pid for pid in family(parent)[1:] if pid != self.apart]
            return
        self.pids = [pid for pid in family(parent, self.most_threads + 2)[1:] if pid != self.apart]
        self.threads = sum([threads_of(pid) for pid in self.pids])

    def note(self, in_processes: int, in_files: int) -> None:
        """Shared memory may be in files, in processes, or in both and is then the same: only what is certain is added."""
        if in_files and self.pids:
            in_files = max(0, in_files - sum([shared_by(pid) for pid in self.pids]))
        self.peak = max(self.peak, in_processes + in_files)

    @property
    def exceeded(self) -> bool:
        return self.peak > self.limit

    def words(self) -> str:
        """What it used, and what it may."""
        limit = f"; it asked for {gigabytes(self.limit)}" if self.limit < NEVER else ""
        return f"used at least {gigabytes(self.peak)} of memory{limit}"

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        room = (self.limit - self.most) / FILLED_IN_A_SECOND
        return min(max(room, QUICKEST_SECONDS), SLOWEST_SECONDS)


def gigabytes(size: float) -> str:
    return f"{size / 2**30:.3g} GB"


def resident(pid: int) -> int:
    """Bytes in memory, with whatever is shared; 0 for a process that is gone."""
    try:
        return int(read_short(f"/proc/{pid}/statm").split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0


def own_bytes(pid: int) -> int:
    """Bytes of one process that stands alone."""
    found = kilobytes(f"/proc/{pid}/status", ("RssAnon:", "RssShmem:"))
    return resident(pid) if found is None else found


def pss_bytes(pid: int) -> int:
    """Bytes of one of several processes: a page that n of them share counts as one nth of a page for each."""
    path = f"/proc/{pid}/smaps_rollup"
    found = kilobytes(path, ("Pss_Anon:", "Pss_Shmem:")) or kilobytes(path, ("Pss:",))
    return own_bytes(pid) if found is None else found


def shared_by(pid: int) -> int:
    """Bytes of shared memory that one process has mapped, whoever else has."""
    return kilobytes(f"/proc/{pid}/status", ("RssShmem:",)) or 0


def tmpfs_bytes(folder: int) -> int:
    """Bytes in the file system of this open folder, whether anybody has them mapped or not."""
    if folder < 0:
        return 0
    status = posix.fstatvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def kilobytes(path: str, names: tuple[str, ...]) -> int | None:
    """The sum, in bytes, of the lines that start with these names; None when there is no such line to read."""
    try:
        lines = read_text(path).split("\n")
    except OSError:  # gone, or not ours to look at: it changed its user
        return None
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith(names)]
    return sum(found) if found else None
