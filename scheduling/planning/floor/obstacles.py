"""What keeps a job from starting here long after its turn came, whoever gives way: the shadow need not wait for that."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

from scheduling.plan_result import WhyBroken
from scheduling.planning.cycle_state import PassState
from scheduling.planning.eligibility import starts_nothing
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.reasons import ReasonCode
from scheduling.snapshot import RunningJob, Snapshot, WaitingJob


class Obstacle(NamedTuple):
    """Why a promise is broken, and the queue, the quotas or the advance reservations that do it, by name."""

    why: WhyBroken
    subjects: tuple[str, ...]


def obstacle(job: WaitingJob, shadow: Snapshot, now: float) -> Obstacle | None:
    """What has changed since the job started in this shadow: a queue or a quota lets it in no more, or its place is kept for others.

    None if only those are in its way who can be told to stop.
    """
    work = PassState(shadow, now)
    alike = work.class_of(replace(job, avoid=()))
    if starts_nothing(alike.queue):
        return Obstacle(WhyBroken.QUEUE, (alike.queue.name,))
    [run] = [run for run in shadow.running if run.id == job.id]
    if alike.limited and (refused := _refused(run, work, alike)) is not None:
        return refused
    closed = work.closed(alike.windows, work.limit(job)) & {share.node for share in run.shares}
    return Obstacle(WhyBroken.RESERVED, _kept_by(shadow, closed, now)) if closed else None


def _refused(run: RunningJob, work: PassState, alike: SchedulingClass) -> Obstacle | None:
    """By what is in use there beside it."""
    others = work.present()
    others.leave(run, work.counted(run))
    refused = others.refusals(alike)
    quotas = tuple([reason.subject for reason in refused if reason.code is ReasonCode.QUOTA])
    if quotas:
        return Obstacle(WhyBroken.QUOTA, quotas)
    return Obstacle(WhyBroken.QUEUE, (alike.queue.name,)) if refused else None


def _kept_by(shadow: Snapshot, nodes: AbstractSet[str], now: float) -> tuple[str, ...]:
    names = {one.name for one in shadow.reservations if one.end > now and not nodes.isdisjoint(one.nodes)}
    return tuple(sorted(names))
