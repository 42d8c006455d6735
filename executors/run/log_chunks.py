"""What one command prints, cut into the numbered chunks that its agent sends."""

from pathlib import Path

from jobs.logs.gaps import gap_line
from jobs.models.logs import LogChunk
from workers.runtime.log_reader import HELD_BACK, LogReader, printed


class LogChunks:
    """How far the log of one placement has been sent. Used by the session's thread; `end` may be called from another."""

    def __init__(self, folder: Path, *, attempt_id: int, rank: int) -> None:
        self._reader = LogReader(folder)
        self._attempt_id = attempt_id
        self._rank = rank
        self._number = self._offset = 0
        self._inside_line = False
        self.unsure = False
        """Chunks were made of which nobody knows whether they are stored: `resume` before the next one."""
        self.followed = False
        """Somebody watched when it was sent the last time."""
        self.sent_at = 0.0

    @property
    def position(self) -> int:
        """How far the output has been read: its bytes, missing ones included."""
        return self._reader.position

    def end(self, length: int | None, lost: str = "") -> None:
        """The command has ended, having printed `length` bytes, as far as its shim could tell."""
        self._reader.end(length, lost)

    def unsent_bytes(self) -> int:
        """What lies in its files and was not read yet; from any thread."""
        return max(0, printed(self._reader.folder) - self._reader.position)

    def next_chunk(self) -> LogChunk | None:
        """What has to be stored next; None when there is nothing new."""
        part = self._reader.read_new()
        if part is None:
            return None
        if isinstance(part, bytes):
            chunk = self._chunk(part)
        else:
            data = gap_line(part.missing, part.reason, inside_line=self._inside_line)
            chunk = self._chunk(data, gap=part.reason, missing=part.missing)
        self._number += 1
        self._offset += len(chunk.data)
        self._inside_line = not bytes(chunk.data).endswith(b"\n")
        return chunk

    def resume(self) -> None:
        """Go on after the last chunk that is stored: after a failure, or for a run that an earlier agent began."""
        stored = LogChunk.objects.filter(attempt_id=self._attempt_id, rank=self._rank)
        last = stored.order_by("-number").first()
        told = list(stored.exclude(gap="").order_by("number"))
        self._number = last.number + 1 if last else 0
        self._offset = last.offset + len(last.data) if last else 0
        self._inside_line = last is not None and not bytes(last.data).endswith(b"\n")
        printed = self._offset + sum((gap.missing or 0) - len(gap.data) for gap in told)
        self._reader.resume(printed, told_of_limit=any(gap.gap == HELD_BACK for gap in told))
        self.unsure = False

    def _chunk(self, data: bytes, gap: str = "", missing: int | None = None) -> LogChunk:
        return LogChunk(
            attempt_id=self._attempt_id,
            rank=self._rank,
            number=self._number,
            offset=self._offset,
            data=data,
            gap=gap,
            missing=missing,
        )
