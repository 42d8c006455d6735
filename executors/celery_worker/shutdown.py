"""An agent's way out that leaves its jobs running: their shims go on, and the next agent of the node takes them over."""

import logging
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from django.conf import settings

from telemetry import traces
from workers.runtime import process

log = logging.getLogger(__name__)
EX_CONFIG = 78
"""The exit code of who is configured wrongly, as in sysexits.h; `RestartPreventExitStatus=` of the unit files names it."""
DETACH_SECONDS = 5.0
"""So long an agent that leaves may take to say what is unsaid. What is left unsaid the next agent finds on disk."""
REPORT_SECONDS = 5.0
"""So long an agent that drains may take to report, after the grace of its jobs, before it leaves all the same."""


def longest_drain() -> float:
    """The seconds after which an agent that was told to drain has certainly ended: most end much sooner.

    It waits for what runs there; whoever supervises it does not know that, and waits for the longest that jobs may ask for.
    """
    return max(settings.DRAIN_SECONDS, settings.MAX_GRACE_SECONDS) + REPORT_SECONDS


class ShutdownThread(threading.Thread):
    """Waits for the word to leave, in a thread of its own: a signal handler can only pass the word on.

    Celery's own ways to stop all wait for the jobs.
    """

    def __init__(self, flush: Callable[[float], bool]) -> None:
        """`flush` says what is unsaid within so many seconds, and tells whether all of it was."""
        super().__init__(name="shutdown", daemon=True)
        self._flush = flush
        self._orders: queue.SimpleQueue[Callable[[bool], object] | float] = queue.SimpleQueue()

    def detach(self) -> None:
        """End this process soon. Safe to call from a signal handler."""
        self._orders.put(end)

    def renew(self) -> None:
        """Begin this process anew soon, with the code that lies on disk. Safe to call from a signal handler."""
        self._orders.put(restart)

    def detach_within(self, seconds: float) -> None:
        """The process is about to end by itself; if it still lives after so long, it leaves.

        So it is while the database or the broker is away. Safe to call from a signal handler.
        """
        self._orders.put(seconds)

    def run(self) -> None:
        go = self._next_order()
        said = self._flush(DETACH_SECONDS)
        if not said:
            log.warning("Leaving with something unsaid: the next agent of this node says it.")
        go(said)

    def _next_order(self) -> Callable[[bool], object]:
        order = self._orders.get()
        ends_at = math.inf  # the earliest of all that were told: a second signal gives no more time
        while isinstance(order, float):
            ends_at = min(ends_at, time.monotonic() + order)
            try:
                order = self._orders.get(timeout=max(0.0, ends_at - time.monotonic()))
            except queue.Empty:
                log.warning("The agent could not end in order within its time: it leaves.")
                return end
        return order


def end(said: bool) -> NoReturn:
    """At once, threads or not: what is worth keeping is in the database and on disk. 0 if all is in the database."""
    _flush()
    os._exit(0 if said else 1)


def end_refused() -> NoReturn:
    """At once, with the exit code that tells a supervisor to start it no more: to try again would change nothing."""
    _flush()
    os._exit(EX_CONFIG)


def restart(_said: bool) -> NoReturn:
    """The same process to whoever supervises it; locks, threads and connections are gone."""
    # It would be our child still, with the old code, and the new process would know nothing of it.
    process.server.close()
    _flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  our own command line


def _flush() -> None:
    traces.flush()
    logging.shutdown()
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            stream.flush()
