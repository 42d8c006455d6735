"""When a command on GPUs looks dead: it prints nothing, reports nothing, and its GPUs do nothing, for long."""

import contextlib
import time
from enum import StrEnum
from pathlib import Path

WARN_SHARE = 0.5
"""Of the time after which something is done: then its owner is warned."""
KEPT_SHARE = 0.05
"""Of the same time: signs closer together are not kept each."""


class IdleAction(StrEnum):
    """What is to be done about it now."""

    WARN = "warn"
    ACT = "act"


class IdleWatchdog:
    """Follows one command. Times are in seconds on any clock that only goes forward; a `limit` of 0 watches nothing.

    The last sign is kept in the file `kept`, so that who follows the command after us goes on with the same clock.
    """

    def __init__(self, limit: float, now: float, *, seen: object = None, kept: Path | None = None) -> None:
        self._limit = limit
        self._kept = kept
        self._sign_at = self._kept_at = now - _age(kept)
        self._told: set[IdleAction] = set()
        self._seen = seen

    def check(self, now: float, *, seen: object, busy: bool) -> IdleAction | None:
        """`seen` changes with all that the command says. What is not known counts as `busy`. Each answer comes once."""
        if busy or seen != self._seen:
            self._sign_at, self._seen = now, seen
            self._told.clear()
            self._keep()
        silent = now - self._sign_at
        for step, after in ((IdleAction.ACT, self._limit), (IdleAction.WARN, self._limit * WARN_SHARE)):
            if self._limit and silent >= after and step not in self._told:
                self._told |= {IdleAction.WARN, step}
                return step
        return None

    def _keep(self) -> None:
        """Now and then: a clock that is a little behind is good enough."""
        if self._kept is None or self._sign_at - self._kept_at < self._limit * KEPT_SHARE:
            return
        self._kept_at = self._sign_at
        with contextlib.suppress(OSError):
            self._kept.touch()


def _age(kept: Path | None) -> float:
    """Seconds since the last sign that was kept; none if there is no such file."""
    try:
        return max(0.0, time.time() - kept.stat().st_mtime) if kept is not None else 0.0
    except OSError:
        return 0.0
