"""How often a callback speaks: training is faster than anybody reads."""

from __future__ import annotations

import time


class Interval:
    """Says now and then that it is time, at most once in so many seconds, and at once the first time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True
