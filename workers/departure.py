"""An agent's way out that leaves its jobs running: their shims go on, and the next agent of the node takes them over."""

import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from workers import process

log = logging.getLogger(__name__)
LEAVE_SECONDS = 5.0
"""So long an agent that leaves may take to say what is unsaid. What is left unsaid the next agent finds on disk."""


class Departure(threading.Thread):
    """Waits for the word to leave, in a thread of its own: a signal handler can only pass the word on.

    Celery's own ways to stop all wait for the jobs.
    """

    def __init__(self, last_words: Callable[[float], bool]) -> None:
        """`last_words` says what is unsaid within so many seconds, and tells whether all of it was."""
        super().__init__(name="departure", daemon=True)
        self._last_words = last_words
        self._orders: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    def leave(self) -> None:
        """End this process soon. Safe to call from a signal handler."""
        self._orders.put(end)

    def renew(self) -> None:
        """Begin this process anew soon, with the code that lies on disk. Safe to call from a signal handler."""
        self._orders.put(begin_anew)

    def run(self) -> None:
        go = self._orders.get()
        if not self._last_words(LEAVE_SECONDS):
            log.warning("Leaving with something unsaid: the next agent of this node says it.")
        go()


def end() -> NoReturn:
    """At once, threads or not: what is worth keeping is in the database and on disk."""
    _flush()
    os._exit(0)


def begin_anew() -> NoReturn:
    """The same process to whoever supervises it; locks, threads and connections are gone."""
    process.server.close()
    _flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  our own command line


def _flush() -> None:
    logging.shutdown()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
