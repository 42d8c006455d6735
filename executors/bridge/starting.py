"""Having the engine start what was claimed, several at once where it can, and stop what is to stop."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice

from executors.bridge import endings
from executors.bridge.attempt_run import AttemptRun
from executors.bridge.book import Book
from executors.bridge.errands import Errands
from executors.bridge.workloads import workloads
from executors.engine import Engine, OutOfReachError, RefusedError, Workload
from jobs.attempts import gangs
from scheduling.lifecycle import EndReason

log = logging.getLogger(__name__)
TELL_AGAIN_SECONDS = 10.0
"""A workload that runs on after its stop and the grace is told again so often."""


class Starter:
    """Of one engine. Used by the bridge's one thread."""

    def __init__(self, engine: Engine, book: Book, errands: Errands) -> None:
        self._engine = engine
        self._book = book
        self._errands = errands
        self.answered = False
        """Whether the cluster has answered to a start since somebody looked at this: what it shows counts from now on."""

    def release_gangs(self) -> None:
        """Those whose last member was claimed, perhaps by an earlier bridge, may start."""
        waiting = [one for one in self._book.unstarted.values() if one.members[0].waits_for_its_gang]
        complete = gangs.complete([one.spec.attempt_id for one in waiting]) if waiting else frozenset()
        for attempt in waiting:
            if attempt.spec.attempt_id in complete:
                for run in attempt.members:
                    run.release()

    def ready(self) -> list[AttemptRun]:
        """What may start now, as far as there is room for it; what is to stop before it has begun ends here."""
        for attempt in list(self._book.unstarted.values()):
            asked = attempt.start_asked or attempt.starting
            if attempt.stop_within is not None and attempt.ending is None and not asked:
                attempt.ending = endings.never_started(attempt)
        return list(islice((one for one in self._book.unstarted.values() if one.may_start), self._errands.room))

    def prepare(self, attempts: Sequence[AttemptRun]) -> list[Workload]:
        """What the engine is to be told of them; from the database."""
        return workloads([[run.claimed for run in one.members] for one in attempts])

    def start(self, attempts: Sequence[AttemptRun], asked: Sequence[Workload]) -> None:
        """Have these started; what is not asked for, as the cluster does not answer, is ready again."""
        for attempt, workload in zip(attempts, asked, strict=True):
            if not self._errands.room:
                return
            attempt.starting = True
            self._errands.ask(partial(self._ask, attempt, workload), partial(self._note, attempt))

    def _ask(self, attempt: AttemptRun, workload: Workload) -> bool:
        """In any thread. Whether the cluster was asked: somebody may want it to stop by now."""
        if attempt.stop_within is not None:
            return False
        attempt.start_asked = True
        self._engine.start(workload)
        return True

    def _note(self, attempt: AttemptRun, result: bool | Exception) -> None:
        attempt.starting, self.answered = False, True
        if result is True:
            self._book.created(attempt)
        elif isinstance(result, RefusedError):
            attempt.ending = endings.refused(attempt, result)
        elif isinstance(result, Exception) and not isinstance(result, OutOfReachError):
            log.error("Workload %s could not be started.", attempt.name, exc_info=result)
            words = f"The engine failed to start it: {result!r}"
            attempt.ending = endings.refused(attempt, RefusedError(words, EndReason.PLATFORM_ERROR))

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


def _stop(engine: Engine, attempt: AttemptRun) -> None:
    try:
        engine.stop(attempt.name, attempt.stop_told or 0.0)
    except OutOfReachError:
        attempt.stop_told = None
        raise
    except Exception:
        log.exception("Workload %s could not be stopped, trying again.", attempt.name)
