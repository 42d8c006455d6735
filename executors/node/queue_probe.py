"""Whether an agent hears what is sent to its node: it rings at its own door from time to time, and listens.

A process that lives may be deaf all the same: after a restart of the broker a consumer can go on without ever being
given a message. Only a message that comes back through the node's own queue proves that the next job's will.
"""

import threading
import time
from collections.abc import Callable

from workers.heartbeats import QueueProbeResult

LOOK_SECONDS = 1.0


class QueueProbe:
    """Judges one agent's hearing. Safe to use from several threads.

    Deaf is who has not heard anything for `deaf_after` seconds in which the broker took every ring. A broker that is
    away, or a pool in which every thread is busy, explains the silence: then nothing is known, and nothing is judged.
    """

    def __init__(
        self,
        *,
        ring: Callable[[], bool],
        every: float,
        deaf_after: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ring` sends a message to the node's own queue and says whether the broker took it."""
        self._ring = ring
        self._every = every
        self._deaf_after = deaf_after
        self._clock = clock
        self._lock = threading.Lock()
        self._rings_next = 0.0
        self._unheard_since: float | None = None
        self._heard_at: float | None = None

    def answered(self) -> None:
        """A ring came through; also an old one proves that the queue is read."""
        with self._lock:
            self._heard_at = self._clock()
            self._unheard_since = None

    def probe(self, *, busy: bool = False) -> None:
        """Ring if it is time to, unless the agent is too busy to take a message: a ring would only lie there."""
        began = self._clock()
        if began < self._rings_next:
            return
        self._rings_next = began + self._every
        taken = not busy and self._ring()  # outside the lock: a broker that hangs must not hold up heartbeats
        with self._lock:
            if not taken:
                self._unheard_since = None
            elif self._unheard_since is None and (self._heard_at is None or self._heard_at < began):
                self._unheard_since = began

    @property
    def unresponsive(self) -> bool:
        with self._lock:
            since = self._unheard_since
        return since is not None and self._clock() - since >= self._deaf_after

    def says(self) -> QueueProbeResult:
        """What is known now."""
        deaf, now = self.unresponsive, self._clock()
        with self._lock:
            ago = None if self._heard_at is None else now - self._heard_at
        fresh = ago is not None and ago < self._deaf_after
        return QueueProbeResult(False if deaf else True if fresh else None, ago)


class ProbeLoop(threading.Thread):
    """Tries an agent's hearing out until it is found deaf, says so once, and ends."""

    def __init__(self, hearing: QueueProbe, *, busy: Callable[[], bool], deaf: Callable[[], None]) -> None:
        super().__init__(name="hearing", daemon=True)
        self._hearing = hearing
        self._busy = busy
        self._deaf = deaf
        self._stopped = threading.Event()

    def stop(self) -> None:
        """From now on nothing is judged: an agent that drains takes no messages on purpose."""
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self._hearing.probe(busy=self._busy())
            if self._hearing.unresponsive and not self._stopped.is_set():
                self._deaf()
                return
