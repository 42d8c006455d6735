"""Moving running jobs so that a waiting one fits: proposed for the operator to see, or carried out as preemptions."""

import time
from typing import Any

from django.conf import settings

from jobs.models import Cycle
from jobs.planning import preemption
from scheduling.plan_result import Plan
from scheduling.planning.rebalancing import STRATEGY, Knobs, Proposal, propose
from scheduling.snapshot import Snapshot

EVERY_CYCLES = 6
"""Moves are looked for once in so many regular cycles: it takes about as long as a plan, and nobody moves that often."""


class RebalanceInterval:
    """When moves are looked for again, in this process."""

    def __init__(self) -> None:
        self._next = 0.0

    def is_due(self) -> bool:
        """Whether it is time; if so, the next time is put off."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + EVERY_CYCLES * settings.CYCLE_SECONDS
        return True


pace = RebalanceInterval()


def consider(snapshot: Snapshot, plan: Plan) -> tuple[Proposal, ...]:
    """Look for moves beside what the plan does, put them on record, and carry them out if the operator wants that.

    In the cycle's transaction: whoever is told to move is told by it.
    """
    if settings.REBALANCING == "off" or not pace.is_due():
        return ()
    if plan.shadow is not None:  # a floor moves jobs by itself, and knows who must not be stopped
        Cycle.objects.filter(pk=1).update(proposals=[])
        return ()
    # Moves have a limit of their own, beside that of all preemptions.
    lately = preemption.recent(strategy=STRATEGY)
    proposals = propose(snapshot, plan, snapshot.taken_at, rebalance_settings(), moved_lately=lately)
    # Also where nobody is moved, and also none: what was proposed before must not stand there as if it still paid.
    Cycle.objects.filter(pk=1).update(proposals=[as_data(one) for one in proposals])
    if settings.REBALANCING == "on":
        targets = {move.job_id: move.target.node for one in proposals for move in one.moves}
        preemption.request([stop for one in proposals for stop in one.preemptions], targets)
    return proposals


def rebalance_settings() -> Knobs:
    return Knobs(
        margin=settings.REBALANCING_MARGIN,
        cooldown_seconds=settings.REBALANCING_COOLDOWN_SECONDS,
        stop_seconds=settings.PREEMPT_GRACE_SECONDS,
        max_moves_per_hour=settings.REBALANCING_MAX_PER_HOUR,
    )


def as_data(proposal: Proposal) -> dict[str, Any]:
    """The proposal as JSON; `gain` and `cost` in GPU-seconds."""
    return {
        "for_job": proposal.for_job,
        "nodes": [share.node for share in proposal.shares],
        "moves": [
            {
                "job": move.job_id,
                "node": move.source,
                "target": move.target.node,
                "lost_seconds": round(move.lost_seconds),
            }
            for move in proposal.moves
        ],
        "gain": round(proposal.gain),
        "cost": round(proposal.cost),
    }
