"""Bringing here what workloads print and report: each as often as it says something, none so often that others wait."""

import heapq
import logging
import time
from typing import NamedTuple

from executors.bridge.attempt_run import AttemptRun
from executors.engine import Engine, OutOfReachError
from executors.run.placement_run import PlacementRun

log = logging.getLogger(__name__)
SOON_SECONDS, FOLLOWED_SECONDS, SELDOM_SECONDS = 1.0, 0.5, 15.0
"""How often one is read that printed the last time, one that somebody follows, and at least any."""
SLOWER = 1.5
"""Each time that there was nothing new the next look comes so much later."""
TURN_SECONDS, HURRIED_SECONDS = 0.25, 0.05
"""So long one turn may take, and while others wait to be started: heartbeats and ends come in between."""
READ_SHARE = 0.15
"""Of a processor, at most, that reading takes while nobody waits for it: many quiet jobs are asked more seldom."""
READS_AT_THE_END = 64
"""Of one output; what is longer takes several turns."""


class Rest(NamedTuple):
    """What came of reading the rest of an output: whether that was all of it, or no more can be had, and whose was new."""

    whole: bool
    news: set[PlacementRun]


class Outputs:
    """Whose turn it is. Used by the bridge's one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._due: list[tuple[float, int, AttemptRun]] = []
        self._pace: dict[int, float] = {}
        self._not_before = 0.0
        self.changed: set[PlacementRun] = set()
        """Those of which something new lies here, for whoever ships it."""

    def follow(self, attempt: AttemptRun) -> None:
        """Its workload runs: it may print from now on."""
        key = attempt.spec.attempt_id
        if key not in self._pace:
            self._pace[key] = SOON_SECONDS
            heapq.heappush(self._due, (time.monotonic(), key, attempt))

    def next_due(self) -> float:
        """On the monotonic clock."""
        return max(self._due[0][0], self._not_before) if self._due else float("inf")

    def read_some(self, *, hurried: bool = False) -> None:
        """Read those whose turn has come, few while others wait to be started.

        Raises OutOfReachError; whoever was being read then comes first again.
        """
        began, used = time.monotonic(), time.thread_time()
        if began < self._not_before:
            return
        ends_at = began + (HURRIED_SECONDS if hurried else TURN_SECONDS)
        while self._due and self._due[0][0] <= (now := time.monotonic()) < ends_at:
            _, key, attempt = self._due[0]
            if attempt.ending is not None or attempt.given_up or attempt.fetching:
                heapq.heappop(self._due)
                self._pace.pop(key, None)
                continue
            try:
                said, _ = self._read(attempt)
            except OutOfReachError:
                raise
            except Exception:  # of one workload: the others are read all the same
                log.exception("The output of %s could not be read, trying again later.", attempt.name)
                said, self._pace[key] = [], SELDOM_SECONDS
            self.changed.update(said)
            heapq.heapreplace(self._due, (now + self._pause(attempt, key, said=bool(said)), key, attempt))
        self._not_before = began + (time.thread_time() - used) / READ_SHARE

    def read_rest(self, attempt: AttemptRun) -> Rest:
        """Read all that an ended one has left; in any thread, and in no other one meanwhile. Raises OutOfReachError."""
        news: set[PlacementRun] = set()
        try:
            for _ in range(READS_AT_THE_END):
                said, whole = self._read(attempt)
                news.update(said)
                if whole or not said:
                    return Rest(True, news)
        except OutOfReachError:
            raise
        except Exception:
            log.exception("The end of the output of %s could not be read.", attempt.name)
            attempt.output_lost = True
            return Rest(True, news)
        return Rest(False, news)

    def _pause(self, attempt: AttemptRun, key: int, *, said: bool) -> float:
        self._pace[key] = SOON_SECONDS if said else min(self._pace.get(key, SOON_SECONDS) * SLOWER, SELDOM_SECONDS)
        return FOLLOWED_SECONDS if any(run.log.followed for run in attempt.members) else self._pace[key]

    def _read(self, attempt: AttemptRun) -> tuple[list[PlacementRun], bool]:
        """One read of everything that it writes: by whom any of it was new, and whether that was the last of it."""
        if attempt.report_spool is None:
            attempt.open_spools()
        logs = [self._read_log(attempt, run) for run in attempt.members]
        said = [run for run, (new, _) in zip(attempt.members, logs, strict=True) if new]
        new, whole = self._read_report(attempt)
        first = attempt.members[0]
        if new and first not in said:
            said.append(first)
        for run in said:
            run.active_at = time.monotonic()
        return said, whole and all(last for _, last in logs)

    def _read_log(self, attempt: AttemptRun, run: PlacementRun) -> tuple[bool, bool]:
        spool = attempt.log_spools[run.claimed.rank]
        output = self._engine.read_log(attempt.name, run.claimed.rank, spool.position)
        if output.position <= spool.position:
            return False, output.whole
        spool.add(output.data, output.position, lost=bool(output.lost))
        return True, output.whole

    def _read_report(self, attempt: AttemptRun) -> tuple[bool, bool]:
        spool = attempt.report_spool
        if spool is None:
            return False, True
        output = self._engine.read_reports(attempt.name, spool.position)
        if output.position <= spool.position:
            return False, output.whole
        spool.add(output.data, output.position)
        return True, output.whole
