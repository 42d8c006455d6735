"""What a command printed, read while it still prints."""

import os
import stat
from pathlib import Path


class LogReader:
    """Follows one growing file; `offset` is where the next read begins, to be kept over restarts."""

    def __init__(self, path: Path, offset: int = 0, chunk_bytes: int = 256 * 1024) -> None:
        self.path = path
        self.offset = offset
        self.chunk_bytes = chunk_bytes

    def read_new(self) -> bytes:
        """The next bytes, at most `chunk_bytes`; empty when there is nothing new, or no file yet."""
        data = read_regular(self.path, self.offset, self.chunk_bytes)
        self.offset += len(data)
        return data


def read_regular(path: Path, offset: int, size: int) -> bytes:
    """Bytes of a file that a command may have replaced by a pipe or a device: from those nothing is read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.pread(fd, size, offset) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)
