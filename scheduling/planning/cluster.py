"""What is free on the nodes and what projects and queues hold, together: to try changes on, and as it will be soon."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.planning.eligibility import queue_holds
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.reasons import Reason
from scheduling.resources import total
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.quotas import NOTHING_USED, Usage, enforced, usage_by_project
from scheduling.snapshot import Allocation, ProjectView, RunningJob, Snapshot

PartsUsed = Callable[[Sequence[RunningJob]], Mapping[str, Usage]]
"""What users hold, and GPUs by model, of these jobs."""
Chain = Sequence[ProjectView]
"""The projects whose quotas count for a job."""


class Cluster:
    """A working copy that jobs start in and leave."""

    __slots__ = ("cohorts", "free", "running", "usage")

    def __init__(
        self, free: FreeNodes, usage: dict[str, Usage], running: Mapping[str, int], cohorts: Cohorts | None
    ) -> None:
        self.free = free
        self.usage = usage.copy()
        self.running = Counter(running)
        self.cohorts = cohorts

    def copy(self) -> "Cluster":
        return Cluster(self.free.copy(), self.usage, self.running, self.cohorts)

    def refusals(self, alike: SchedulingClass) -> tuple[Reason, ...]:
        """What the queue and the quotas have against one more such job."""
        held = queue_holds(alike.queue, self.running[alike.queue.name])
        return (*held, *alike.refusals(self.usage, self.cohorts))

    def start(self, job_id: int, shares: Iterable[Allocation], alike: SchedulingClass) -> None:
        shares = tuple(shares)
        for share in shares:
            self.free.allocate(share, holder=job_id)
        self.running[alike.queue.name] += 1
        for project in alike.levels:
            held = project.held(shares, alike.request.total)
            self.usage[project.slug] = self.usage.get(project.slug, NOTHING_USED).plus_job(held)

    def withdraw(self, job_id: int, shares: Iterable[Allocation], alike: SchedulingClass) -> None:
        """The inverse of `start`."""
        shares = tuple(shares)
        for share in shares:
            self.free.release(share, holder=job_id)
        self.running[alike.queue.name] -= 1
        for project in alike.levels:
            held = project.held(shares, alike.request.total)
            self.usage[project.slug] = self.usage[project.slug].minus_job(held)

    def leave(self, job: RunningJob, chain: Chain) -> None:
        """The job has gone, and holds nothing any more."""
        for share in job.shares:
            self.free.release(share, holder=job.id)
        self._count(job, chain, -1)

    def leave_all(self, jobs: Iterable[tuple[RunningJob, Chain]]) -> None:
        """Many at once."""
        shares = []
        for job, chain in jobs:
            shares += [(share, job.id) for share in job.shares]
            self._count(job, chain, -1)
        self.free.release_all(shares)

    def stay(self, job: RunningJob, chain: Chain) -> None:
        """The inverse of `leave`."""
        for share in job.shares:
            if share.node in self.free:
                self.free.allocate(share, holder=job.id)
        self._count(job, chain, 1)

    def _count(self, job: RunningJob, chain: Chain, times: int) -> None:
        self.running[job.queue] += times
        if chain:
            held = total(share.amount for share in job.shares)
        for project in chain:
            before, own = self.usage.get(project.slug, NOTHING_USED), project.held(job.shares, held) * times
            self.usage[project.slug] = Usage(before.amount + own, before.running_jobs + times)


def usage_of(
    snapshot: Snapshot,
    projects: Mapping[str, ProjectView],
    running: Iterable[RunningJob],
    cohorts: Cohorts | None,
    parts: PartsUsed,
) -> dict[str, Usage]:
    """What projects use, and `parts` of them; only quotas ask for it."""
    running = tuple(running)
    usage = usage_by_project(running, projects) if any(map(enforced, snapshot.projects)) else {}
    usage |= parts(running)
    return usage if cohorts is None else cohorts.table(usage)


def after_leaving(
    snapshot: Snapshot, projects: Mapping[str, ProjectView], cohorts: Cohorts | None, parts: PartsUsed
) -> Cluster | None:
    """The cluster once those that leave have gone; None if nobody leaves, and nobody was stopped for one that waits."""
    staying = [job for job in snapshot.running if not job.leaving]
    if len(staying) == len(snapshot.running) and not any(job.promised for job in snapshot.waiting):
        return None
    usage = usage_of(snapshot, projects, staying, cohorts, parts)
    return Cluster(FreeNodes(snapshot.nodes, staying), usage, Counter(job.queue for job in staying), cohorts)
