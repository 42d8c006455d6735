"""Which bytes of a file somebody asks for: one range of RFC 9110. Pure."""

import re
from typing import NamedTuple

RANGE = re.compile(r"bytes\s*=\s*(\d{0,19})-(\d{0,19})")


class Span(NamedTuple):
    """From its first byte on, so many."""

    start: int
    size: int


class NotSatisfiableError(Exception):
    """Nothing of the file lies in that range."""


def span_of(header: str, size: int) -> Span | None:
    """What the header asks for of a file of this size. Raises NotSatisfiableError.

    None: all of it, also for several ranges and for other units, which a server may leave unheard.
    """
    found = RANGE.fullmatch(header.strip())
    if found is None or (found[0] and not (found[1] or found[2])):
        return None
    if not found[1]:  # the last so many
        last = min(int(found[2]), size)
        if not last:
            raise NotSatisfiableError
        return Span(size - last, last)
    start = int(found[1])
    end = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < start:
        return None  # no range at all
    if start >= size:
        raise NotSatisfiableError
    return Span(start, end - start + 1)
