"""The end of what an attempt has printed, made fit for a page."""

import re
from dataclasses import dataclass

from jobs.logs import reader
from jobs.models import Attempt
from scheduling.errors import UnavailableError

TAIL_BYTES = 16 * 1024
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Tail:
    """The text, how many bytes there are in all, and whether there is more before it."""

    text: str
    size: int
    cut: bool


def tail(attempt: Attempt) -> Tail:
    """The last 16 KiB, whatever bytes they are."""
    try:
        piece = reader.read(attempt, -TAIL_BYTES, TAIL_BYTES)
    except UnavailableError as error:
        return Tail(str(error), 0, cut=False)
    return Tail(readable(piece.text), piece.next_offset, cut=piece.offset > 0)


def readable(text: str) -> str:
    """Without colour codes and other invisible characters; of a line that was overwritten, what was left."""
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in TERMINAL_CODES.sub("", text).split("\n"))
    return INVISIBLE.sub("", "\n".join(lines))
