"""The nodes worth comparing: a node that another one matches or beats in every respect can be left out."""

from collections.abc import Callable, Iterable
from operator import ge
from typing import TypeVar

Thing = TypeVar("Thing")


def frontier(things: Iterable[Thing], sizes: Callable[[Thing], tuple[int, ...]]) -> list[Thing]:
    """Those that no other one matches or beats in every size, the largest first; of equals the first one given.

    On a fleet of like machines this leaves a handful out of thousands.
    """
    # What beats another in every size also sorts before it, so each has to be held against those before it only.
    kept: list[tuple[tuple[int, ...], Thing]] = []
    for size, thing in sorted(((sizes(one), one) for one in things), key=lambda pair: pair[0], reverse=True):
        if not any(all(map(ge, larger, size)) for larger, _ in kept):
            kept.append((size, thing))
    return [thing for _, thing in kept]
