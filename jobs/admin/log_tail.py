"""The end of what an attempt has printed, made fit for a page."""

import re
from dataclasses import dataclass

from django.db.models import F, Func, IntegerField

from jobs.models import Attempt, LogChunk

TAIL_BYTES = 16 * 1024
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Tail:
    text: str
    size: int
    cut: bool
    """Whether there is more before it."""


def tail(attempt: Attempt) -> Tail:
    """The last 16 KiB of the attempt's log, whatever bytes it printed; reads no more than the chunks they lie in."""
    length = Func(F("data"), function="octet_length", output_field=IntegerField())
    chunks = LogChunk.objects.filter(attempt=attempt).annotate(end=F("offset") + length)
    size = chunks.order_by("-number").values_list("end", flat=True).first() or 0
    last = chunks.filter(end__gt=size - TAIL_BYTES).order_by("number").values_list("data", flat=True)
    data = b"".join(bytes(chunk) for chunk in last)[-TAIL_BYTES:]
    return Tail(readable(data), size, cut=size > TAIL_BYTES)


def readable(data: bytes) -> str:
    """Text without colour codes and other invisible characters; of a line that was overwritten, what was left."""
    text = TERMINAL_CODES.sub("", data.decode(errors="replace"))
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return INVISIBLE.sub("", "\n".join(lines))
