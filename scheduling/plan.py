"""One scheduling pass: a snapshot and the time go in, placements and reasons come out."""

from collections import Counter
from dataclasses import dataclass

from scheduling.allowance import NOTHING_USED, enforced, may_run_now, usage_by_project
from scheduling.capacity import FreeNodes
from scheduling.explanation import Explanations
from scheduling.holds import job_holds, queue_holds
from scheduling.ordering import in_order
from scheduling.placement.best_fit import best_fit
from scheduling.reasons import Reason
from scheduling.resources import Request
from scheduling.snapshot import ProjectView, QueueView, Share, Snapshot, WaitingJob, chain_of


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job that may start now, and where."""

    job_id: int
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """A job that still waits, and all that keeps it: at least one reason."""

    job_id: int
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class PlannedReservation:
    """Room that is kept for a waiting job: when it can start at the latest, if nobody runs beyond its limit."""

    job_id: int
    start: float
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class PlannedPreemption:
    """A running job that gives way to a waiting one, and what that costs in seconds of work to be done again."""

    job_id: int
    for_job: int
    strategy: str
    lost_seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start, whom to stop for it, what waits and why, and the line: the ids of those that wait, in planning order.

    `alerts` are sentences for the operator: a policy that failed and was replaced by the default order.
    """

    placements: tuple[PlannedJob, ...]
    waits: tuple[Wait, ...]
    line: tuple[int, ...]
    reservations: tuple[PlannedReservation, ...] = ()
    preemptions: tuple[PlannedPreemption, ...] = ()
    alerts: tuple[str, ...] = ()


def make_plan(snapshot: Snapshot, now: float, *, default_policy: str = "priority") -> Plan:
    """The plan for this snapshot at this moment; the same two always give the same plan.

    Greedy list scheduling: each job in order starts if it can. A job that does not fit does not block smaller ones
    behind it, so a big job may wait long on a busy platform; reservations will put an end to that.
    """
    work = _Pass(snapshot)
    placements: list[PlannedJob] = []
    waiting: list[tuple[WaitingJob, _Alike]] = []
    # 1. Order: who is looked at first.
    for job in in_order(snapshot, now, default_policy):
        alike = work.alike(job)
        # 2. Hold back, 3. check the quotas, 4. find the node where it fits best.
        share = None if alike.refused or job_holds(job, now) else work.find(alike)
        if share is None:
            waiting.append((job, alike))
            continue
        # 5. Place: from now on its share counts as taken.
        work.place(job.id, alike, share)
        placements.append(PlannedJob(job.id, (share,)))
    # 6. Explain by what is left after all placements, so that the next pass says the same if nothing changes.
    explanations = Explanations(work.free)
    waits = tuple(Wait(job.id, (*job_holds(job, now), *work.reasons(alike, explanations))) for job, alike in waiting)
    return Plan(tuple(placements), waits, tuple(job.id for job, _ in waiting))


@dataclass(eq=False, slots=True)
class _Alike:
    """Jobs of one queue and one project that ask for the same: what refuses one of them refuses them all.

    A refusal stands until the end of the pass, because room and quota only shrink in it.
    """

    queue: QueueView
    chain: tuple[ProjectView, ...]
    request: Request
    refused: bool = False
    reasons: tuple[Reason, ...] | None = None


class _Pass:
    """What is free and used as one pass goes on."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.free = FreeNodes.of(snapshot)
        self._queues = {queue.name: queue for queue in snapshot.queues}
        self._projects = {project.slug: project for project in snapshot.projects}
        self._usage = usage_by_project(snapshot.running, self._projects)
        self._running = Counter(job.queue for job in snapshot.running)
        self._alike: dict[tuple[str, str, Request], _Alike] = {}

    def alike(self, job: WaitingJob) -> _Alike:
        key = (job.queue, job.project, job.request)
        found = self._alike.get(key)
        if found is None:
            # Only enforced quotas can refuse, so nothing else has to be counted.
            chain = tuple(one for one in chain_of(job.project, self._projects) if enforced(one) is not None)
            found = self._alike[key] = _Alike(self._queues[job.queue], chain, job.request)
        return found

    def find(self, alike: _Alike) -> Share | None:
        """Where such a job may start now, if its queue and the quotas let it."""
        share = None
        if not self._held_or_over_quota(alike):
            share = best_fit(alike.request, self.free)
        alike.refused = share is None
        return share

    def place(self, job_id: int, alike: _Alike, share: Share) -> None:
        self.free.take(share, holder=job_id)
        self._running[alike.queue.name] += 1
        for project in alike.chain:
            self._usage[project.slug] = self._usage.get(project.slug, NOTHING_USED).plus_job(share.amount)

    def reasons(self, alike: _Alike, explanations: Explanations) -> tuple[Reason, ...]:
        """All that keeps such jobs from starting at the end of the pass."""
        if alike.reasons is None:
            fits = best_fit(alike.request, self.free) is not None
            nowhere = () if fits else explanations.why_nowhere(alike.request)
            alike.reasons = (*self._held_or_over_quota(alike), *nowhere)
        return alike.reasons

    def _held_or_over_quota(self, alike: _Alike) -> tuple[Reason, ...]:
        held = queue_holds(alike.queue, self._running[alike.queue.name])
        return (*held, *may_run_now(alike.request, chain=alike.chain, usage=self._usage))
