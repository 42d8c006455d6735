"""Looks again and again whether this machine is about to be taken away, in a thread of its own: who is asked may be slow."""

import logging
import threading
from collections.abc import Callable

from workers.hardware.spot_notices import Notice, Source, UnansweredError

log = logging.getLogger(__name__)


class SpotWatch:
    """`tell` hears of a notice and of its withdrawal, and at first that there is none. No answer changes nothing."""

    def __init__(self, source: Source, tell: Callable[[Notice | None], None], *, every: float) -> None:
        self._source = source
        self._tell = tell
        self._every = every
        self._told: list[bool] = []  # the last word, once there was one
        self._unanswered = False
        self._closed = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._loop, name="spot-notice", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _loop(self) -> None:
        while not self._closed.is_set():
            try:
                self.look()
            except Exception:
                log.exception("A look for a notice failed; the next one follows.")
            self._closed.wait(self._every)

    def look(self) -> None:
        """Once."""
        try:
            notice = self._source.look()
        except UnansweredError as error:
            if not self._unanswered:
                log.warning("Nobody says whether this machine is taken away; asking on: %s", error)
            self._unanswered = True
            return
        self._unanswered = False
        if self._told != [notice is not None]:
            if notice is not None or self._told:
                log.warning("This machine is taken away %s.", notice.words) if notice else log.warning("It stays.")
            self._tell(notice)
            self._told = [notice is not None]
