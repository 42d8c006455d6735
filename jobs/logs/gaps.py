"""What is missing from a log, told in the log itself: a line of the platform's own where the bytes would be."""

from dataclasses import dataclass

from django.conf import settings

from workers.runtime.log_reader import HELD_BACK

NODE_LOST = "node_lost"
ROWS_LOST = "rows_lost"
OBJECT_LOST = "object_lost"
CAUSES = {
    "limit": "the log limit of {limit:g} MB was reached, and of the later output only the end is kept",
    "disk_full": "the node's disk was full",
    "unwritable": "the node could not write them",
    "removed": "their file on the node was removed or changed",
    "shim_killed": "the process that wrote them down was killed",
    NODE_LOST: "the node fell silent before it had sent them",
    ROWS_LOST: "they are not in the database any more",
    OBJECT_LOST: "they cannot be read in the storage any more",
}
"""Why bytes are missing, by the word that stands for it in JSON."""
HELD_BACK_LINE = (
    "[trainyard: most of the log limit of {limit:g} MB is used: of what comes now the end is kept, "
    "and shown when the attempt is over]"
)


@dataclass(frozen=True, slots=True)
class TextGap:
    """A place in the text of a log: its line of `length` bytes at `offset` tells of `missing` bytes, None if unknown."""

    offset: int
    length: int
    missing: int | None
    reason: str


def line(missing: int | None, reason: str, *, inside_line: bool) -> bytes:
    """The line that tells of a gap; it begins with a line break when it would stand in the middle of a line."""
    text = HELD_BACK_LINE if reason == HELD_BACK else f"[trainyard: {_loss(missing)}: {CAUSES.get(reason, reason)}]"
    start = "\n" if inside_line else ""
    return f"{start}{text.format(limit=settings.LOG_LIMIT_MB)}\n".encode()


def _loss(missing: int | None) -> str:
    if missing is None:
        return "output may be missing here"
    return f"{missing:,} {'byte' if missing == 1 else 'bytes'} of output {'is' if missing == 1 else 'are'} missing here"
