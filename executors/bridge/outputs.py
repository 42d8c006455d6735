"""Bringing here what workloads print and report: each as often as it says something, none so often that others wait."""

import heapq
import logging
import time

from executors.bridge.attempt_run import AttemptRun
from executors.engine import Engine, OutOfReachError
from executors.run.placement_run import PlacementRun

log = logging.getLogger(__name__)
SOON_SECONDS, FOLLOWED_SECONDS, SELDOM_SECONDS = 1.0, 0.5, 15.0
"""How often one is read that printed the last time, one that somebody follows, and at least any."""
SLOWER = 1.5
"""Each time that there was nothing new the next look comes so much later."""
TURN_SECONDS = 0.25
"""So long one turn may take: heartbeats and ends come in between."""
READS_AT_THE_END = 64
"""Of one output; what is longer takes several turns."""


class Outputs:
    """Whose turn it is. Used by the bridge's one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._due: list[tuple[float, int, AttemptRun]] = []
        self._pace: dict[int, float] = {}
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
        return self._due[0][0] if self._due else float("inf")

    def read_some(self) -> None:
        """Read those whose turn has come. Raises OutOfReachError; whoever was being read then comes first again."""
        ends_at = time.monotonic() + TURN_SECONDS
        while self._due and self._due[0][0] <= (now := time.monotonic()) < ends_at:
            _, key, attempt = self._due[0]
            if attempt.ending is not None or attempt.given_up:
                heapq.heappop(self._due)
                self._pace.pop(key, None)
                continue
            try:
                said = self._read(attempt)
            except OutOfReachError:
                raise
            except Exception:  # of one workload: the others are read all the same
                log.exception("The output of %s could not be read, trying again later.", attempt.name)
                said, self._pace[key] = False, SELDOM_SECONDS
            heapq.heapreplace(self._due, (now + self._pause(attempt, key, said=said), key, attempt))

    def read_rest(self, attempt: AttemptRun) -> bool:
        """Read all that an ended one has left; whether that was all, or no more can be had. Raises OutOfReachError."""
        try:
            return any(not self._read(attempt) for _ in range(READS_AT_THE_END))
        except OutOfReachError:
            raise
        except Exception:
            log.exception("The end of the output of %s could not be read.", attempt.name)
            attempt.output_lost = True
            return True

    def _pause(self, attempt: AttemptRun, key: int, *, said: bool) -> float:
        self._pace[key] = SOON_SECONDS if said else min(self._pace.get(key, SOON_SECONDS) * SLOWER, SELDOM_SECONDS)
        return FOLLOWED_SECONDS if any(run.log.followed for run in attempt.members) else self._pace[key]

    def _read(self, attempt: AttemptRun) -> bool:
        """One read of everything that it writes; whether any of it was new."""
        if attempt.report_spool is None:
            attempt.open_spools()
        said = [run for run in attempt.members if self._read_log(attempt, run)]
        first = attempt.members[0]
        if self._read_report(attempt) and first not in said:
            said.append(first)
        for run in said:
            run.active_at = time.monotonic()
        self.changed.update(said)
        return bool(said)

    def _read_log(self, attempt: AttemptRun, run: PlacementRun) -> bool:
        spool = attempt.log_spools[run.claimed.rank]
        output = self._engine.read_log(attempt.name, run.claimed.rank, spool.position)
        if output.position <= spool.position:
            return False
        spool.add(output.data, output.position, lost=bool(output.lost))
        return True

    def _read_report(self, attempt: AttemptRun) -> bool:
        spool = attempt.report_spool
        if spool is None:
            return False
        output = self._engine.read_reports(attempt.name, spool.position)
        if output.position <= spool.position:
            return False
        spool.add(output.data, output.position)
        return True
