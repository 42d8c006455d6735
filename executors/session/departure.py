"""A machine that is about to be taken away: its node takes nothing more, and its jobs save their work and go elsewhere."""

import math
import threading
import time
from collections.abc import Callable, Collection

from django.conf import settings

from executors.run.placement_run import PlacementRun
from executors.session.lifetime import ENDLESS, Lifetime
from jobs.attempts import gangs
from jobs.control import draining
from jobs.state.desired import PREEMPT
from scheduling.lifecycle import EndReason
from workers.hardware.spot_notices import Notice
from workers.models import Node

TAKEN_AWAY = "Its machine is taken away"
"""Begins the reason of such a drain: it ends with the notice, or as a new machine of the name comes. Others stay."""
REPORT_SECONDS = 5.0
"""Kept of the notice's time for what has to be said after the last command has ended."""


def give_back(runs: Collection[PlacementRun], usual_grace: float, most: float = math.inf) -> None:
    """They are stopped, and go back in line: in the grace that each asked for, or the usual one, but `most` seconds."""
    for run in runs:
        run.stop(EndReason.PREEMPTED, min(run.grace(usual_grace), most), gives_way=True)
    # A member elsewhere cannot go on without those here: its own node hears of it by the job's row.
    gangs.stop_all([run.claimed.attempt_id for run in runs if run.claimed.nodes > 1], PREEMPT)


class Departure:
    """`tell` may be called from any thread, the rest by the session's alone."""

    def __init__(self, wake: Callable[[], None], lifetime: Lifetime = ENDLESS) -> None:
        self._wake = wake
        self._lifetime = lifetime
        self._notice: Notice | None = None
        self._is_told = threading.Event()

    @property
    def is_near(self) -> bool:
        """Whether the machine goes: nothing is begun there any more."""
        return self._notice is not None

    def tell(self, notice: Notice | None) -> None:
        """This machine goes, or stays after all. Returns at once."""
        self._notice = notice
        self._is_told.set()
        self._wake()

    def drain(self, runs: Collection[PlacementRun]) -> None:
        """The agent ends: by an order, or as its machine's time is up, for which jobs get the grace of who gives way."""
        usual = settings.PREEMPT_GRACE_SECONDS if self._lifetime.is_up else settings.DRAIN_SECONDS
        give_back(runs, usual, most=max(self._lifetime.left - REPORT_SECONDS, 1.0))

    def settle(self, runs: Collection[PlacementRun], node_id: int) -> None:
        """See to what was told. What the database did not take is done again with the next turn."""
        if not self._is_told.is_set():
            return
        self._is_told.clear()
        try:
            if self._notice is None:
                _stay(node_id)
            else:
                _leave(self._notice, runs, node_id)
        except Exception:
            self._is_told.set()
            raise


def _leave(notice: Notice, runs: Collection[PlacementRun], node_id: int) -> None:
    left = max(notice.at - time.time() - REPORT_SECONDS, 1.0)
    give_back(runs, settings.PREEMPT_GRACE_SECONDS, most=left)
    node = Node.objects.get(pk=node_id)
    kept = node.drain_reason if node.cordoned and not _is_ours(node) else f"{TAKEN_AWAY} {notice.words}."
    draining.drain(node, mode=Node.DrainMode.NOW, reason=kept)


def _stay(node_id: int) -> None:
    node = Node.objects.get(pk=node_id)
    if node.cordoned and _is_ours(node):
        draining.undrain(node)


def _is_ours(node: Node) -> bool:
    return node.drain_reason.startswith(TAKEN_AWAY)
