"""How long a session may wait for something to say before its next regular turn."""

import time
from collections.abc import Collection

from executors.run.placement_run import PlacementRun


def pause(runs: Collection[PlacementRun], beat: float, ship: float, tail: float, glance: float) -> float:
    """By when each comes next: heartbeat, logs and progress, logs that somebody follows, a look for starts."""
    until = [beat]
    if runs:
        until.append(tail if any(run.log.followed for run in runs) else ship)
    if any(not run.start_recorded for run in runs):
        until.append(glance)
    return max(min(until) - time.monotonic(), 0.001)
