"""What one command prints, cut into the numbered chunks that its agent sends."""

from collections.abc import Collection
from pathlib import Path

from django.db.models import F, Sum
from django.db.models.functions import Length

from jobs.logs.gaps import gap_line
from jobs.models.logs import LogChunk
from workers.runtime.log_reader import HELD_BACK, Gap, LogReader, printed
from workers.runtime.masking import Masker


class LogChunks:
    """How far the log of one placement has been sent. Used by the session's thread; `end` may be called from another."""

    def __init__(self, folder: Path, *, attempt_id: int, rank: int) -> None:
        self._reader = LogReader(folder)
        self._attempt_id = attempt_id
        self._rank = rank
        self._number = self._offset = 0
        self._inside_line = False
        self._masker: Masker | None = None
        self._gap: Gap | None = None
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

    def mask(self, values: Collection[str]) -> None:
        """From now on none of these values leaves the node in it."""
        self._masker = Masker(values)

    def next_chunk(self) -> LogChunk | None:
        """What has to be stored next; None when there is nothing new."""
        chunk = None
        while chunk is None:
            ended = self._reader.at_end  # before the look, as the reader has it
            part, self._gap = self._gap or self._reader.read_new(), None
            if isinstance(part, bytes):
                chunk = self._shown(part)
            elif rest := self._rest() if part is not None or ended else None:
                self._gap, chunk = part, rest
            elif part is None:
                return None
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
        if self._masker is not None:
            shortened = stored.filter(printed__isnull=False).aggregate(by=Sum(F("printed") - Length("data")))
            printed += shortened["by"] or 0
            self._masker.forget()
            self._gap = None
        self._reader.resume(printed, told_of_limit=any(gap.gap == HELD_BACK for gap in told))
        self.unsure = False

    def _shown(self, part: bytes) -> LogChunk | None:
        """A chunk of what may be shown by now; what might be the beginning of a secret waits for what follows."""
        if self._masker is None:
            return self._chunk(part)
        data, printed = self._masker.feed(part)
        return self._chunk(data, printed=printed) if printed else None

    def _rest(self) -> LogChunk | None:
        """A chunk of what waited, now that nothing follows it."""
        if self._masker is None or not self._masker.held:
            return None
        data, printed = self._masker.end()
        return self._chunk(data, printed=printed)

    def _chunk(self, data: bytes, gap: str = "", missing: int | None = None, *, printed: int | None = None) -> LogChunk:
        return LogChunk(
            attempt_id=self._attempt_id,
            rank=self._rank,
            number=self._number,
            offset=self._offset,
            data=data,
            gap=gap,
            missing=missing,
            printed=printed,
        )
