"""Whether this agent and its platform still understand each other, now that the platform may have been upgraded."""

import logging
import time

from workers import protocol

log = logging.getLogger(__name__)
LOOK_SECONDS = 60.0


class Agreement:
    """Looked at now and then, through the node's one connection, and told once: what runs here goes on all the same."""

    def __init__(self) -> None:
        self._next_look = time.monotonic() + LOOK_SECONDS  # the registration has just looked
        self._told = ""

    def look(self) -> None:
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_SECONDS
        words = protocol.why_not_here()
        if words and words != self._told:
            log.error("This node gets nothing new, what runs here goes on. %s", words)
        self._told = words
