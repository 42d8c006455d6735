"""Slurm's ways to write many things in one word: `n[1-3,07]` for hosts, `gpu:h100:8(S:0-1)` for generic resources."""

import re
from collections.abc import Iterator
from typing import NamedTuple

BRACKETS = re.compile(r"\[([^\[\]]*)\]")
OUTSIDE_COMMAS = re.compile(r",(?![^\[(]*[\])])")
MOST_HOSTS = 100_000


class Gres(NamedTuple):
    """So many of one generic resource; `kind` is Slurm's type, the model of a GPU, and may be empty."""

    name: str
    kind: str
    amount: int


def hosts(text: str) -> list[str]:
    """The names behind a host list, in its order."""
    return [name for part in OUTSIDE_COMMAS.split(text) if part for name in _expanded(part.strip())]


def _expanded(part: str) -> Iterator[str]:
    found = BRACKETS.search(part)
    if found is None:
        yield part
        return
    for number in _numbers(found[1]):
        yield from _expanded(f"{part[: found.start()]}{number}{part[found.end() :]}")


def _numbers(ranges: str) -> Iterator[str]:
    for one in ranges.split(","):
        first, dash, last = one.partition("-")
        if not dash or not (first.isdigit() and last.isdigit()):
            yield one
            continue
        for number in range(int(first), min(int(last), int(first) + MOST_HOSTS) + 1):
            yield str(number).zfill(len(first))


def gres(text: str) -> list[Gres]:
    """What `gres`, `gres_used` or `gres_detail` of a node or job says: `gpu:h100:2(IDX:0-1)`, `gpu:4`, `(null)`."""
    return [found for part in OUTSIDE_COMMAS.split(text or "") if (found := _one_gres(part)) is not None]


def _one_gres(part: str) -> Gres | None:
    bare = part.partition("(")[0].strip().removeprefix("gres:").removeprefix("gres/")
    words = bare.replace("=", ":").split(":")
    if len(words) < 2 or not words[0]:  # noqa: PLR2004  a name and a count
        return None
    amount = words[-1]
    unit = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(amount[-1:].upper(), 1)
    digits = amount.rstrip("KMGkmg")
    return Gres(words[0], ":".join(words[1:-1]), int(digits) * unit) if digits.isdigit() else None
