"""A plan under which nobody falls behind his shadow: play that on, see whose turn has come, plan the rest of the room."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

from scheduling.plan_result import Plan
from scheduling.planning.floor.admission import queues_with_floor
from scheduling.planning.floor.shadow import ShadowSchedule
from scheduling.planning.floor.turns import TurnFinder, Turns, carried_out
from scheduling.planning.one_pass import plan_pass
from scheduling.planning.ordering import with_unpaid_held
from scheduling.planning.stops.victims import Candidates
from scheduling.planning.turn_reasons import may_start_early
from scheduling.rules import Rules
from scheduling.snapshot import Shadow, ShadowJob, Snapshot, WaitingJob


def keeps_floor(snapshot: Snapshot) -> bool:
    """Whether the policy of any of its queues promises a floor; then all jobs of the platform are in the shadow."""
    return bool(queues_with_floor(snapshot))


class Followed(NamedTuple):
    """A snapshot as the pass is to see it, and what the shadow says of it.

    Those that are `not_yet` to start wait for their turn. By other rights nobody is stopped for the `unaided`: the jobs of the
    queues that keep the floor, where it is the floor that says whose turn it is.
    """

    world: Snapshot
    shadow: ShadowSchedule
    turns: Turns
    not_yet: frozenset[int]
    unaided: frozenset[int]


def follow(snapshot: Snapshot, now: float) -> Followed:
    """Play the shadow on, and work out whose turn has come. Who cannot be paid is held back, in the shadow too."""
    paid = with_unpaid_held(snapshot, now)
    shadow = ShadowSchedule(paid, now).play()
    turns = TurnFinder(shadow, paid, now).find()
    world = carried_out(snapshot, turns)
    not_yet = frozenset(
        [job.id for job in snapshot.waiting if job.id not in turns.due and not may_start_early(job, snapshot.rules)]
    )
    if not_yet:
        not_yet -= shadow.starts_at_once()
    world = replace(world, rules=_without_reservations(snapshot.rules))
    unaided: frozenset[int] = frozenset()
    if snapshot.rules.preemption.strategies:
        floors = queues_with_floor(snapshot)
        unaided = frozenset([job.id for job in snapshot.waiting if job.queue in floors])
        not_yet -= _with_rights(world, now, not_yet - unaided)
    return Followed(world, shadow, turns, not_yet, unaided)


def _with_rights(world: Snapshot, now: float, job_ids: AbstractSet[int]) -> AbstractSet[int]:
    """Those of them for which somebody could be stopped: they need not wait for their turn, also where there is room."""
    candidates = Candidates(world, now) if job_ids else None
    if not candidates:
        return frozenset()
    return {job.id for job in world.waiting if job.id in job_ids and candidates.reached(job)}


def plan_with_floor(snapshot: Snapshot, now: float) -> Plan:
    """Due jobs first, each in its place; in all room beyond whoever can give way again, in the order of the policies."""
    followed = follow(snapshot, now)
    plan = plan_pass(followed.world, now, followed.not_yet, followed.unaided)
    return replace(
        plan,
        preemptions=(*followed.turns.stops, *plan.preemptions),
        shadow=_with_starts(followed.shadow.value(), plan, snapshot.waiting),
        next_at=_first(followed.turns.next_at, plan.next_at),
        broken=tuple(sorted(followed.shadow.unkept)),
    )


def _first(*moments: float | None) -> float | None:
    return min([one for one in moments if one is not None], default=None)


def _without_reservations(rules: Rules) -> Rules:
    """Nothing is kept for anybody here: the shadow does that, and whoever is in the way gives way."""
    return replace(rules, reserve_depth=0, overdue_depth=0)


def _with_starts(shadow: Shadow, plan: Plan, waiting: Iterable[WaitingJob]) -> Shadow:
    """Those that start before their turn are known to the shadow from now on: they may end before it has started them."""
    placed = {one.job_id for one in plan.placements}
    early = (
        {job.id: ShadowJob(job) for job in waiting if job.id in placed and job.id not in shadow.jobs} if placed else {}
    )
    return replace(shadow, jobs={**shadow.jobs, **early}) if early else shadow
