"""When a command on GPUs looks dead: it prints nothing, reports nothing, and its GPUs do nothing, for long."""

from enum import StrEnum

WARN_SHARE = 0.5
"""Of the time after which something is done: then its owner is warned."""


class Silence(StrEnum):
    """What is to be done about it now."""

    WARN = "warn"
    ACT = "act"


class SilenceWatch:
    """Follows one command. Times are in seconds on any clock that only goes forward; a `limit` of 0 watches nothing."""

    def __init__(self, limit: float, now: float) -> None:
        self._limit = limit
        self._sign_at = now
        self._told: set[Silence] = set()
        self._seen: object = None

    def look(self, now: float, *, seen: object, busy: bool) -> Silence | None:
        """`seen` changes with all that the command says. What is not known counts as `busy`. Each answer comes once."""
        if busy or seen != self._seen:
            self._sign_at, self._seen = now, seen
            self._told.clear()
        silent = now - self._sign_at
        for step, after in ((Silence.ACT, self._limit), (Silence.WARN, self._limit * WARN_SHARE)):
            if self._limit and silent >= after and step not in self._told:
                self._told |= {Silence.WARN, step}
                return step
        return None
