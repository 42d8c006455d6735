"""What the cluster shows, compared with what is in hand: what runs, what has ended, what is gone, and what is nobody's."""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings

from executors.bridge import endings
from executors.bridge.attempt_run import AttemptRun
from executors.bridge.book import Book
from executors.bridge.finishing import Finisher
from executors.bridge.outputs import Outputs
from executors.engine import Engine, Observed, OutOfReachError, Phase
from scheduling.lifecycle import EndReason

log = logging.getLogger(__name__)
ABSENT_SECONDS = 10.0
"""So long what was there may be missing from what the cluster shows: its lists may lag behind what it has taken."""
WAITS_SECONDS = 10.0
"""What a workload waits for in the cluster is told in its job's history after so long."""
LEAST_PAUSE_SECONDS, SHARE = 0.02, 8.0
"""The cluster is looked at again after a pause of so many times what the last look took, or so long at least."""
ORPHAN_GRACE_SECONDS = 5.0


class Watch:
    """The last look at the cluster. Used by the bridge's one thread."""

    def __init__(self, engine: Engine, book: Book, outputs: Outputs, finisher: Finisher, cluster: str) -> None:
        self._engine = engine
        self._book = book
        self._outputs = outputs
        self._finisher = finisher
        self._cluster = cluster
        self._waiting_since: dict[str, float] = {}
        self.seen: dict[str, Observed] = {}
        self.looked_at = 0.0
        """When the last look began, on the monotonic clock; 0: there was none."""
        self.not_before = 0.0

    def look(self) -> None:
        """One look, and what follows for what is in hand. Raises OutOfReachError."""
        began = time.monotonic()
        seen = dict(self._engine.observe())
        self.seen, self.looked_at = seen, began
        now = time.monotonic()
        self.not_before = now + max(LEAST_PAUSE_SECONDS, SHARE * (now - began))
        for attempt in self._book:
            observed = seen.get(attempt.name)
            if attempt.starting:
                continue  # until the cluster has answered nobody knows whether what is missing is missed
            if observed is not None:
                self._there(attempt, observed)
            elif attempt.ending is None and attempt.start_asked:
                self._absent(attempt, began)

    def started(self) -> list[AttemptRun]:
        """Those of which it has to be recorded that they run; one that has ended says so with its end."""
        return [one for one in self._book if one.runs and not one.start_recorded]

    def ended(self) -> list[AttemptRun]:
        """Those whose end has to be reported."""
        return [one for one in self._book if one.ending is not None or _is_over(one)]

    def see_to_orphans(self) -> None:
        """Stop what runs there and is nobody's any more, and let go of what has ended. Raises OutOfReachError.

        Right after what is in hand was compared with the database, with what was seen before that.
        """
        for name, observed in list(self.seen.items()):
            if self._book.named(name) is not None or name in self._finisher.forgetting:
                continue
            try:
                self._end_orphan(name, observed)
            except OutOfReachError:
                raise
            except Exception:  # of one of them: the others are seen to all the same
                log.exception("Workload %s is nobody's any more, and could not be ended.", name)

    def _end_orphan(self, name: str, observed: Observed) -> None:
        if observed.phase == Phase.ENDED:
            self._finisher.forget(name)
            return
        log.warning("Workload %s is nobody's any more: it is stopped.", name)
        self._engine.stop(name, ORPHAN_GRACE_SECONDS)

    def _there(self, attempt: AttemptRun, observed: Observed) -> None:
        attempt.absent_since = None
        attempt.observed = observed
        if not attempt.created:
            self._book.created(attempt)
        if observed.phase == Phase.RUNNING:
            self._outputs.follow(attempt)
        if observed.phase == Phase.WAITING:
            self._note_what_it_waits_for(attempt, observed)
        else:
            self._waiting_since.pop(attempt.name, None)

    def _absent(self, attempt: AttemptRun, looked_at: float) -> None:
        """Two looks that are some time apart have to agree, and the first of them came after it was asked for."""
        if attempt.absent_since is None:
            attempt.absent_since = looked_at
        elif looked_at - attempt.absent_since >= ABSENT_SECONDS:
            if attempt.created:
                attempt.ending = endings.gone(attempt, self._cluster)
            elif attempt.stop_within is not None:
                attempt.ending = endings.never_started(attempt)

    def _note_what_it_waits_for(self, attempt: AttemptRun, observed: Observed) -> None:
        since = self._waiting_since.setdefault(attempt.name, time.monotonic())
        waits = time.monotonic() - since
        if waits > settings.CLUSTER_START_SECONDS and attempt.stop_within is None:
            words = f"Cluster {self._cluster} did not start it within {settings.CLUSTER_START_SECONDS:g} seconds"
            for run in attempt.members:
                run.stop(
                    EndReason.START_FAILED,
                    0.0,
                    message=f"{words}{f': {observed.message}' if observed.message else '.'}",
                )
        if observed.message and waits >= WAITS_SECONDS and attempt.told_waiting != observed.message:
            attempt.told_waiting = observed.message
            attempt.members[0].note("waits_in_cluster", f"Cluster {self._cluster}: {observed.message}"[:500])


def _is_over(attempt: AttemptRun) -> bool:
    return attempt.observed is not None and attempt.observed.phase == Phase.ENDED


class Watcher(threading.Thread):
    """Sits in the engine's `wait`, and says when it is time for a look."""

    def __init__(self, engine: Engine, tell: Callable[[], None], seconds: float) -> None:
        super().__init__(name="engine-wait", daemon=True)
        self._engine = engine
        self._tell = tell
        self._seconds = seconds
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._engine.wait(self._seconds)
            except Exception as error:  # noqa: BLE001  out of reach or broken: the looks themselves say so
                log.info("The engine could not wait for its cluster (%r): it is looked at now and then.", error)
                self._stopped.wait(self._seconds)
            self._tell()
            self._stopped.wait(LEAST_PAUSE_SECONDS)  # what changes all the time is not told of all the time
