"""What has ended in the cluster, on its way to the database: the rest of its output is fetched, and it is forgotten there."""

import logging
import math
import time
from collections import deque
from collections.abc import Iterable
from functools import partial

from executors.bridge import endings
from executors.bridge.attempt_run import AttemptRun
from executors.bridge.errands import Errands
from executors.bridge.outputs import Outputs, Rest
from executors.engine import Engine, OutOfReachError

log = logging.getLogger(__name__)
MOST_KEPT = 1000
"""So many wait to be forgotten, at most, while others wait to be started."""
TOGETHER_SECONDS, TOGETHER_TIMES = 0.5, 8.0
"""What ends so soon after the last report is reported together: so many times what that took, a transaction and the planner's cycle."""


class Finisher:
    """Of one engine. Used by the bridge's one thread."""

    def __init__(self, engine: Engine, outputs: Outputs, errands: Errands) -> None:
        self._engine = engine
        self._outputs = outputs
        self._errands = errands
        self.forgetting: set[str] = set()
        """Names of those that the cluster is asked to forget, or will be."""
        self._to_forget: deque[str] = deque()
        self.next_report = math.inf
        """When ends are to be reported, on the monotonic clock."""
        self._not_before = 0.0

    def fetch(self, ended: Iterable[AttemptRun]) -> None:
        """Have the rest of their output read, as far as there is room for it."""
        for attempt in ended:
            if attempt.ending is not None or attempt.fetching:
                continue
            if not self._errands.spare_room:
                return
            attempt.fetching = True
            self._errands.ask(partial(self._outputs.read_rest, attempt), partial(self._fetched, attempt))

    def is_due(self, ended: Iterable[AttemptRun]) -> bool:
        """Whether any of them are to be reported, and now."""
        self.next_report = self._not_before if any(one.is_whole for one in ended) else math.inf
        return time.monotonic() >= self.next_report

    def hurry(self) -> None:
        """What is next is the last report."""
        self._not_before = 0.0

    def reported(self, over: Iterable[AttemptRun], seconds: float) -> None:
        """The ends of these are on record, which took so long."""
        self.next_report = self._not_before = time.monotonic() + min(TOGETHER_SECONDS, TOGETHER_TIMES * seconds)
        for attempt in over:
            if attempt.start_asked:
                self.forget(attempt.name)

    def forget(self, name: str) -> None:
        """Its end is on record: the cluster need not keep it. What it keeps all the same is found as nobody's."""
        if name not in self.forgetting:
            self.forgetting.add(name)
            self._to_forget.append(name)

    def clean(self, *, hurried: bool) -> None:
        """Have forgotten what is to be, as far as there is room; later, if others wait to be started, which is more urgent."""
        while self._to_forget and self._errands.room and (not hurried or len(self._to_forget) > MOST_KEPT):
            name = self._to_forget.popleft()
            self._errands.ask(partial(self._engine.forget, name), partial(self._forgotten, name))

    def _fetched(self, attempt: AttemptRun, result: Rest | Exception) -> None:
        attempt.fetching = False
        if isinstance(result, Exception):  # out of reach: it is read again
            return
        self._outputs.changed |= result.news
        if result.whole and attempt.observed is not None and attempt.ending is None:
            attempt.ending = endings.observed(attempt, attempt.observed)

    def _forgotten(self, name: str, result: Exception | None) -> None:
        self.forgetting.discard(name)
        if result is not None and not isinstance(result, OutOfReachError):
            log.error("Workload %s could not be removed from its cluster, trying again.", name, exc_info=result)
