"""Who in this process takes what the platform sends to it: a node's runner, or a cluster's bridge."""

import logging
from typing import Protocol

from executors.celery_worker.queue_probe import QueueProbe
from jobs.state.outcome import PlacementRef

log = logging.getLogger(__name__)


class Speaker(Protocol):
    """One that claims placements and hears what is wished of them."""

    queue_probe: QueueProbe | None

    def run(self, ref: PlacementRef) -> bool: ...

    def refresh(self) -> None: ...


current: Speaker | None = None
"""Of this process, if it is an executor."""


def become(speaker: Speaker) -> None:
    """From now on the placements that this process is told of are its."""
    global current  # noqa: PLW0603  one process speaks for one node, or for one cluster
    current = speaker


def refresh() -> None:
    """Somebody wishes something of a job that is run from here; without a speaker there is nothing to look at."""
    if current is not None:
        current.refresh()


def run_placement(placement_id: int, token: str) -> bool:
    """Have a placement run. A node's runner returns when it has ended and that is recorded, a bridge at once.

    False if it was not for this process to run.
    """
    if current is None:
        log.error("Placement %d was sent to a process that is no executor.", placement_id)
        return False
    return current.run(PlacementRef(placement_id, token))


def answered() -> None:
    """A message that only wanted to be heard came through to this process."""
    if current is not None and current.queue_probe is not None:
        current.queue_probe.answered()
