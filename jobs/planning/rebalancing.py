"""Moving running jobs so that a waiting one fits: proposed for the operator to see, or carried out as preemptions."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from jobs.models import Cycle, Preemption
from jobs.planning import moves, policy_settings, preemption
from jobs.planning.moves import Begun
from scheduling.job_moves import MoveOrigin
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
    if not pace.is_due():
        return ()
    chosen = policy_settings.in_force()
    if chosen["rebalancing"] == "off":
        return ()
    if plan.shadow is not None:  # a floor moves jobs by itself, and knows who must not be stopped
        Cycle.objects.filter(pk=1).update(proposals=[])
        return ()
    # Moves have a limit of their own, beside that of all preemptions.
    lately = preemption.recent(strategy=STRATEGY)
    proposals = propose(snapshot, plan, snapshot.taken_at, rebalance_settings(chosen), moved_lately=lately)
    # Also where nobody is moved, and also none: what was proposed before must not stand there as if it still paid.
    Cycle.objects.filter(pk=1).update(proposals=[as_data(one) for one in proposals])
    if chosen["rebalancing"] == "on":
        targets = {move.job_id: move.target.node for one in proposals for move in one.moves}
        preemption.request([stop for one in proposals for stop in one.preemptions], targets)
        moves.begin(_begun(proposals))
    return proposals


def _begun(proposals: Sequence[Proposal]) -> list[Begun]:
    """Those that were told: of the others nothing is written down, and no room is kept."""
    planned = {move.job_id: (one.for_job, move) for one in proposals for move in one.moves}
    told = Preemption.objects.filter(strategy=STRATEGY, attempt__ended_at=None, attempt__job__in=list(planned))
    return [
        Begun(
            job_id,
            MoveOrigin.REBALANCING,
            reason=f"Makes room for job {planned[job_id][0]}.",
            for_job=planned[job_id][0],
            shares=(planned[job_id][1].target,),
            lost_seconds=planned[job_id][1].lost_seconds,
        )
        for job_id in told.order_by("attempt__job_id").values_list("attempt__job_id", flat=True)
    ]


def rebalance_settings(chosen: Mapping[str, Any]) -> Knobs:
    return Knobs(
        margin=chosen["rebalancing_margin"],
        cooldown_seconds=chosen["rebalancing_cooldown_seconds"],
        stop_seconds=settings.PREEMPT_GRACE_SECONDS,
        max_moves_per_hour=chosen["rebalancing_max_per_hour"],
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
