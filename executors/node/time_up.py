"""Ends this agent as an order to stop would, so that it has left before its machine goes: a thread that waits for that."""

import logging
import os
import signal
import threading

from executors.session.lifetime import Lifetime

log = logging.getLogger(__name__)
LOOK_SECONDS = 30.0
"""The clock is looked at so often: it may be set, and the machine may have slept."""


class TimeUp:
    """Nothing where the machine stays."""

    def __init__(self, lifetime: Lifetime) -> None:
        self._lifetime = lifetime
        self._closed = threading.Event()

    def start(self) -> None:
        if self._lifetime.leaves_in is not None:
            threading.Thread(target=self._wait, name="time-up", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _wait(self) -> None:
        while not self._lifetime.is_up:
            if self._closed.wait(min(self._lifetime.leaves_in or 0.0, LOOK_SECONDS)):
                return
        log.warning(
            "This machine goes in %.0f s: the agent gives back what runs here, and leaves.", self._lifetime.left
        )
        os.kill(os.getpid(), signal.SIGTERM)
