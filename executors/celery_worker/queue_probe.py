"""Whether what is sent to a node reaches its agent: it sends itself a message from time to time, and waits for it.

A process that lives may get none all the same: after a restart of the broker a consumer can go on without ever being
given a message. Only a message that comes back through the node's own queue proves that the next job's will.
"""

import threading
import time
from collections.abc import Callable

from workers.heartbeats import QueueProbeResult

LOOK_SECONDS = 1.0


class QueueProbe:
    """Whether one agent's queue is read. Safe to use from several threads.

    Unresponsive is who got nothing for `unresponsive_after` seconds in which the broker took every probe. A broker that
    is away, or a pool in which every thread is busy, explains the silence: then nothing is known, and nothing is judged.
    """

    def __init__(
        self,
        *,
        send: Callable[[], bool],
        every: float,
        unresponsive_after: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`send` puts a message into the node's own queue and says whether the broker took it."""
        self._send = send
        self._every = every
        self._unresponsive_after = unresponsive_after
        self._clock = clock
        self._lock = threading.Lock()
        self._next_probe_at = 0.0
        self._unanswered_since: float | None = None
        self._answered_at: float | None = None

    def answered(self) -> None:
        """A probe came through; also an old one proves that the queue is read."""
        with self._lock:
            self._answered_at = self._clock()
            self._unanswered_since = None

    def probe(self, *, busy: bool = False) -> None:
        """Send one if it is time to, unless the agent is too busy to take a message: it would only lie there."""
        began = self._clock()
        if began < self._next_probe_at:
            return
        self._next_probe_at = began + self._every
        taken = not busy and self._send()  # outside the lock: a broker that hangs must not hold up heartbeats
        with self._lock:
            if not taken:
                self._unanswered_since = None
            elif self._unanswered_since is None and (self._answered_at is None or self._answered_at < began):
                self._unanswered_since = began

    @property
    def unresponsive(self) -> bool:
        with self._lock:
            since = self._unanswered_since
        return since is not None and self._clock() - since >= self._unresponsive_after

    def result(self) -> QueueProbeResult:
        """What is known now."""
        unresponsive, now = self.unresponsive, self._clock()
        with self._lock:
            ago = None if self._answered_at is None else now - self._answered_at
        fresh = ago is not None and ago < self._unresponsive_after
        return QueueProbeResult(False if unresponsive else True if fresh else None, ago)


class ProbeLoop(threading.Thread):
    """Probes an agent's queue until the agent is found unresponsive, says so once, and ends."""

    def __init__(self, probe: QueueProbe, *, busy: Callable[[], bool], on_unresponsive: Callable[[], None]) -> None:
        super().__init__(name="queue-probe", daemon=True)
        self._probe = probe
        self._busy = busy
        self._on_unresponsive = on_unresponsive
        self._stopped = threading.Event()

    def stop(self) -> None:
        """From now on nothing is judged: an agent that drains takes no messages on purpose."""
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self._probe.probe(busy=self._busy())
            if self._probe.unresponsive and not self._stopped.is_set():
                self._on_unresponsive()
                return
