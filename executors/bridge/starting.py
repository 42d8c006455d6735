"""Having the engine start what was claimed, several at once where it can, and stop what is to stop."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from executors.bridge import endings
from executors.bridge.attempt_run import AttemptRun
from executors.bridge.book import Book
from executors.bridge.workloads import workloads
from executors.engine import Engine, OutOfReachError, RefusedError, Workload
from jobs.attempts import gangs
from scheduling.lifecycle import EndReason
from workers.models import Cluster

log = logging.getLogger(__name__)
BATCH_A_THREAD = 8
"""So many are started in one turn, for each that the engine takes at once: heartbeats and ends come in between."""
TELL_AGAIN_SECONDS = 10.0
"""A workload that runs on after its stop and the grace is told again so often."""


class Starter:
    """Of one engine. Used by the bridge's one thread, which waits for those that it starts at once."""

    def __init__(self, engine: Engine, book: Book, cluster_id: int) -> None:
        self._engine = engine
        self._book = book
        self._cluster_id = cluster_id
        self._at_once = max(1, engine.starts_at_once)
        self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="start") if self._at_once > 1 else None

    def release_gangs(self) -> None:
        """Those whose last member was claimed, perhaps by an earlier bridge, may start."""
        waiting = [one for one in self._book.unstarted.values() if one.members[0].waits_for_its_gang]
        complete = gangs.complete([one.spec.attempt_id for one in waiting]) if waiting else frozenset()
        for attempt in waiting:
            if attempt.spec.attempt_id in complete:
                for run in attempt.members:
                    run.release()

    def ready(self) -> list[AttemptRun]:
        """What may start now; what is to stop before it has begun ends here."""
        for attempt in list(self._book.unstarted.values()):
            if attempt.stop_within is not None and attempt.ending is None and not attempt.start_asked:
                attempt.ending = endings.never_started(attempt)
        most = BATCH_A_THREAD * self._at_once
        return [one for one in self._book.unstarted.values() if one.may_start][:most]

    def prepare(self, attempts: Sequence[AttemptRun]) -> list[Workload]:
        """What the engine is to be told of them; from the database."""
        image = Cluster.objects.values_list("image", flat=True).get(pk=self._cluster_id)
        return workloads([[run.claimed for run in one.members] for one in attempts], image)

    def start(self, attempts: Sequence[AttemptRun], asked: Sequence[Workload]) -> None:
        """Start these. Raises OutOfReachError once all that can be said of the others is said."""
        out_of_reach: OutOfReachError | None = None
        for attempt in attempts:
            attempt.start_asked = True
        for attempt, error in zip(attempts, self._start_all(asked), strict=True):
            if error is None:
                self._book.created(attempt)
            elif isinstance(error, RefusedError):
                attempt.ending = endings.refused(attempt, error)
            elif isinstance(error, OutOfReachError):
                out_of_reach = error
            else:
                log.error("Workload %s could not be started.", attempt.name, exc_info=error)
                words = f"The engine failed to start it: {error!r}"
                attempt.ending = endings.refused(attempt, RefusedError(words, EndReason.PLATFORM_ERROR))
        if out_of_reach is not None:
            raise out_of_reach

    def stop_some(self) -> None:
        """Tell the engine of stops that it has not been told of, or not of so little grace."""
        now = time.monotonic()
        for attempt in self._book:
            grace = attempt.stop_within
            if grace is None or not attempt.created or attempt.ending is not None:
                continue
            again = (
                attempt.stop_told is not None and now > attempt.stop_told_at + attempt.stop_told + TELL_AGAIN_SECONDS
            )
            if attempt.stop_told is None or grace < attempt.stop_told or again:
                attempt.stop_told, attempt.stop_told_at = grace, now  # what goes wrong with one is tried again later
                _stop(self._engine, attempt)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _start_all(self, asked: Sequence[Workload]) -> list[Exception | None]:
        if self._pool is not None:
            return list(self._pool.map(self._start_one, asked))
        return [self._start_one(workload) for workload in asked]

    def _start_one(self, workload: Workload) -> Exception | None:
        try:
            self._engine.start(workload)
        except Exception as error:  # noqa: BLE001  whatever an engine raises concerns this workload, not the bridge
            return error
        return None


def _stop(engine: Engine, attempt: AttemptRun) -> None:
    try:
        engine.stop(attempt.name, attempt.stop_told or 0.0)
    except OutOfReachError:
        attempt.stop_told = None
        raise
    except Exception:
        log.exception("Workload %s could not be stopped, trying again.", attempt.name)
