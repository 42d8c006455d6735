"""What the engine is asked beside the bridge's own thread: several calls at once, each about another workload."""

import queue
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from executors.engine import Engine, OutOfReachError

Result = Any
WAITING_A_THREAD, MOST_A_TURN = 8, 256
"""So many calls wait for each thread, at most: what comes later is not far behind what came first. And of one thread's turn."""
TOLD_A_THREAD = 2
"""The bridge's thread is told of so many ends together, or of the last one: not of each."""
TURN_SECONDS = 0.5
"""So long the calls of one turn may take where the engine is used by one thread: heartbeats and stops come in between."""


class Errands:
    """Used by the bridge's one thread, which also carries out what follows from them, in `note`.

    An engine that does not say that it may be asked several things at once (`asks_at_once`) is asked in this thread.
    """

    def __init__(self, engine: Engine, tell: Callable[[], None]) -> None:
        at_once = max(1, int(getattr(engine, "asks_at_once", 1)))
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="engine") if at_once > 1 else None
        self._most = WAITING_A_THREAD * at_once if self._pool is not None else MOST_A_TURN
        self._together = TOLD_A_THREAD * at_once
        self._tell = tell
        self._under_way = 0
        self._over: queue.SimpleQueue[tuple[Callable[[Result], None], Result]] = queue.SimpleQueue()
        self._turn_ends = 0.0
        self._out_of_reach = self._closed = False

    @property
    def under_way(self) -> int:
        """How many calls are not over, or over and not noted."""
        return self._under_way

    @property
    def is_busy(self) -> bool:
        """Whether there is enough to do for some time, whatever else is asked for."""
        return self._pool is not None and self._under_way > self._most // 2

    @property
    def room(self) -> int:
        """How many more calls may be asked for now; none once the cluster did not answer to one of them."""
        return self._room(self._most)

    @property
    def spare_room(self) -> int:
        """The same for ends: a little more, so that starts that come in an endless line do not hold them up."""
        return self._room(self._most + self._together)

    def ask(self, call: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Have it called; `then` gets what it returned, or what it raised, in the next `note`."""
        if not self._under_way:
            self._turn_ends = time.monotonic() + TURN_SECONDS
        self._under_way += 1
        if self._pool is None:
            self._do(call, then)
        else:
            self._pool.submit(self._do, call, then)

    def note(self) -> None:
        """Carry out what follows from those that are over. Raises OutOfReachError after all of them, if one of them did."""
        fault: OutOfReachError | None = None
        self._out_of_reach = False
        while True:
            try:
                then, result = self._over.get_nowait()
            except queue.Empty:
                break
            self._under_way -= 1
            fault = result if isinstance(result, OutOfReachError) else fault
            then(result)
        if fault is not None:
            raise fault

    def close(self, *, wait: bool = False) -> None:
        """What waits is not called any more; what is under way may come to its end, and is waited for if told so."""
        self._closed = True
        if self._pool is not None:
            self._pool.shutdown(wait=wait, cancel_futures=True)

    def _room(self, most: int) -> int:
        late = self._pool is None and self._under_way > 0 and time.monotonic() > self._turn_ends
        return 0 if self._closed or self._out_of_reach or late else max(0, most - self._under_way)

    def _do(self, call: Callable[[], Result], then: Callable[[Result], None]) -> None:
        result: Result
        try:
            result = call()
        except Exception as error:  # noqa: BLE001  whatever an engine raises concerns this workload, not the bridge
            result = error
            self._out_of_reach |= isinstance(error, OutOfReachError)
        self._over.put((then, result))
        over = self._over.qsize()
        if over % self._together == 0 or over >= self._under_way:
            self._tell()
