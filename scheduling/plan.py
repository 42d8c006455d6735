"""One scheduling pass: a snapshot and the time go in, placements and reasons come out."""

from collections import Counter
from dataclasses import dataclass

from scheduling.allowance import NOTHING_USED, may_run_now, usage_by_project
from scheduling.capacity import FreeNodes
from scheduling.explanation import why_no_node
from scheduling.holds import job_holds, queue_holds
from scheduling.ordering import in_order
from scheduling.placement.best_fit import best_fit
from scheduling.reasons import Reason
from scheduling.resources import Request
from scheduling.snapshot import ProjectView, Share, Snapshot, WaitingJob, chain_of


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
class Plan:
    """What to start, what waits and why, and the line: the ids of those that wait, in planning order."""

    placements: tuple[PlannedJob, ...]
    waits: tuple[Wait, ...]
    line: tuple[int, ...]


def make_plan(snapshot: Snapshot, now: float, *, default_policy: str = "priority") -> Plan:
    """The plan for this snapshot at this moment; the same two always give the same plan.

    Greedy list scheduling: each job in order starts if it can. A job that does not fit does not block smaller ones
    behind it, so a big job may wait long on a busy platform; reservations will put an end to that.
    """
    work = _Pass(snapshot, now)
    # 1. Order: who is looked at first.
    line = in_order(snapshot, now, default_policy)
    placements, waiting = [], []
    for job in line:
        # 2. Hold back, 3. quota, 4. fit.
        share = None if work.is_held(job) or work.is_over_quota(job) else work.fit(job.request)
        if share is None:
            waiting.append(job)
            continue
        # 5. Place: from now on its share counts as taken.
        work.place(job, share)
        placements.append(PlannedJob(job.id, (share,)))
    # 6. Explain: by what is free now that all are placed, so that the next pass says the same if nothing changes.
    waits = tuple(Wait(job.id, work.reasons(job)) for job in waiting)
    return Plan(tuple(placements), waits, tuple(job.id for job in waiting))


class _Pass:
    """What is free and used as one pass goes on. Both only get worse, so a refusal is remembered and stays true."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.now = now
        self.nodes = snapshot.nodes
        self.free = FreeNodes.of(snapshot)
        self.queues = {queue.name: queue for queue in snapshot.queues}
        self.projects = {project.slug: project for project in snapshot.projects}
        self.usage = usage_by_project(snapshot.running, self.projects)
        self.running = Counter(job.queue for job in snapshot.running)
        self._chains: dict[str, tuple[ProjectView, ...]] = {}
        self._fits_nowhere: set[Request] = set()
        self._over_quota: set[tuple[str, Request]] = set()
        self._why_held: dict[str, tuple[Reason, ...]] = {}
        self._why_over: dict[tuple[str, Request], tuple[Reason, ...]] = {}
        self._why_nowhere: dict[Request, tuple[Reason, ...]] = {}

    def is_held(self, job: WaitingJob) -> bool:
        return bool(self._queue_holds(job.queue) or job_holds(job, self.now))

    def is_over_quota(self, job: WaitingJob) -> bool:
        key = (job.project, job.request)
        if key not in self._over_quota and self._quota_reasons(job):
            self._over_quota.add(key)
        return key in self._over_quota

    def fit(self, request: Request) -> Share | None:
        if request in self._fits_nowhere:
            return None
        share = best_fit(request, self.free)
        if share is None:
            self._fits_nowhere.add(request)
        return share

    def place(self, job: WaitingJob, share: Share) -> None:
        self.free.take(share, holder=job.id)
        self.running[job.queue] += 1
        for project in self._chain(job.project):
            self.usage[project.slug] = self.usage.get(project.slug, NOTHING_USED).with_job(share.amount)

    def reasons(self, job: WaitingJob) -> tuple[Reason, ...]:
        """All that keeps the job from starting at the end of the pass. What is alike for many is worked out once."""
        held, over, nowhere = self._why_held, self._why_over, self._why_nowhere
        key = (job.project, job.request)
        if job.queue not in held:
            held[job.queue] = self._queue_holds(job.queue)
        if key not in over:
            over[key] = self._quota_reasons(job)
        if job.request not in nowhere:
            fits = self.fit(job.request) is not None
            nowhere[job.request] = () if fits else why_no_node(job.request, self.nodes, self.free)
        return (*held[job.queue], *job_holds(job, self.now), *over[key], *nowhere[job.request])

    def _queue_holds(self, name: str) -> tuple[Reason, ...]:
        return queue_holds(self.queues[name], self.running[name])

    def _quota_reasons(self, job: WaitingJob) -> tuple[Reason, ...]:
        return may_run_now(job.request, chain=self._chain(job.project), usage=self.usage)

    def _chain(self, slug: str) -> tuple[ProjectView, ...]:
        if slug not in self._chains:
            self._chains[slug] = chain_of(slug, self.projects)
        return self._chains[slug]
