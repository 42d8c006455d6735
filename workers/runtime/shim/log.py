"""What the command prints, in files that an agent reads while they grow."""

import posix

TAIL_SHARE = 8  # each of the two parts of the tail is this fraction of the limit
TAIL_PARTS = 2
MOST_FILES = 64  # of one part: a command that removes its log again and again fills no folder and no memory
DISK_FULL = frozenset({28, 122})  # ENOSPC, EDQUOT
FLAGS = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC


class Log:
    """Keeps the beginning of the output, and of what comes after it the most recent, within a limit for both together.

    The output is counted from its first byte, whatever becomes of it. `log` is its beginning. Another file is named
    `log.POSITION.REASON`: where in the output it begins, and why bytes before it may be missing: `limit` (older ones
    were removed), `disk_full`, `unwritable` (the system said something else), `removed` (somebody took the file away).
    What lies in `log` when it begins was said before the command by whoever made it ready, and is a part of the output.
    So a reader knows to the byte what it did not get, and nothing has to be written to say so.
    """

    def __init__(self, folder: str, limit: int) -> None:
        self.folder = folder
        self.tail_room = max(1, limit // TAIL_SHARE)
        self.room = max(0, limit - TAIL_PARTS * self.tail_room)
        self.position = 0
        self.lost = ""
        """Why the last bytes so far are lost; empty if they are kept."""
        self.problem = ""
        self.parts: list[list[str]] = [[]]
        self.fd = self.identity = -1
        self.size = 0
        self.path = f"{folder}/log"
        try:
            self.open(self.path)
        except OSError as error:
            self.fails(error)
        self.position = self.size
        self.room = max(0, self.room - self.size)

    def add(self, data: bytes) -> None:
        """Never raises for the disk's sake and never waits: what cannot be kept is only counted."""
        while data:
            kept = self.keep(data)
            if not kept:
                self.position += len(data)
                return
            self.position += kept
            data = data[kept:]

    def keep(self, data: bytes) -> int:
        """Writes as much as there is room for in one file; returns how much that was, 0 if nothing can be written."""
        try:
            if not self.room:
                self.begin_part()
            elif self.lost or not self.intact():
                self.begin_file(self.lost or "removed")
            written = posix.write(self.fd, data[: self.room])
        except OSError as error:
            self.fails(error)
            return 0
        self.lost = ""
        self.room -= written
        self.size += written
        return written

    def fails(self, error: OSError) -> None:
        self.lost = "disk_full" if error.errno in DISK_FULL else "unwritable"
        self.problem = f"the log could not be written: {error.strerror}"
        if not self.size and self.path in self.parts[-1]:
            self.parts[-1].remove(self.path)
            remove(self.path)

    def intact(self) -> bool:
        """Whether the file is still where a reader looks for it, as long as it was made."""
        try:
            found = posix.stat(self.path)
        except FileNotFoundError:
            return False
        return found.st_ino == self.identity and found.st_size == self.size

    def begin_part(self) -> None:
        """The beginning, or a part of the tail, is full: the tail loses its oldest part if it has two."""
        room = self.room
        self.room = self.tail_room
        self.parts.append([])
        try:
            self.begin_file("limit")
        except OSError:
            self.room = room
            self.parts.pop()
            raise
        while len(self.parts) > 1 + TAIL_PARTS:
            for path in self.parts.pop(1):
                remove(path)

    def begin_file(self, reason: str) -> None:
        if len(self.parts[-1]) >= MOST_FILES:
            raise OSError(0, "its files were removed too often")
        self.open(f"{self.folder}/log.{self.position}.{reason}")

    def open(self, path: str) -> None:
        fd = posix.open(path, FLAGS | (posix.O_TRUNC if self.fd >= 0 else 0), 0o600)
        if self.fd >= 0:
            posix.close(self.fd)
        found = posix.fstat(fd)
        self.fd, self.path, self.size, self.identity = fd, path, found.st_size, found.st_ino
        self.parts[-1].append(path)


def remove(path: str) -> None:
    try:
        posix.unlink(path)
    except OSError:
        return  # somebody else did
