"""What is free on the nodes and what projects and queues hold, together: to try changes on, and as it will be soon."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.planning.eligibility import queue_holds
from scheduling.reasons import Reason
from scheduling.resources import Request, total
from scheduling.sharing.quotas import NOTHING_USED, Usage, quota_violations
from scheduling.snapshot import Allocation, ProjectView, QueueView, RunningJob

Chain = Sequence[ProjectView]
"""The projects whose quotas count for a job."""


class Cluster:
    """A working copy that jobs start in and leave."""

    __slots__ = ("free", "running", "usage")

    def __init__(self, free: FreeNodes, usage: Mapping[str, Usage], running: Mapping[str, int]) -> None:
        self.free = free
        self.usage = dict(usage)
        self.running = Counter(running)

    def copy(self) -> "Cluster":
        return Cluster(self.free.copy(), self.usage, self.running)

    def refusals(self, request: Request, queue: QueueView, chain: Chain) -> tuple[Reason, ...]:
        """What the queue and the quotas have against one more such job."""
        held = queue_holds(queue, self.running[queue.name])
        return (*held, *quota_violations(request, chain=chain, usage=self.usage))

    def start(
        self, job_id: int, shares: Iterable[Allocation], request: Request, queue: QueueView, chain: Chain
    ) -> None:
        for share in shares:
            self.free.allocate(share, holder=job_id)
        self.running[queue.name] += 1
        for project in chain:
            self.usage[project.slug] = self.usage.get(project.slug, NOTHING_USED).plus_job(request.total)

    def withdraw(
        self, job_id: int, shares: Iterable[Allocation], request: Request, queue: QueueView, chain: Chain
    ) -> None:
        """The inverse of `start`."""
        for share in shares:
            self.free.release(share, holder=job_id)
        self.running[queue.name] -= 1
        for project in chain:
            used = self.usage[project.slug]
            self.usage[project.slug] = Usage(used.amount - request.total, used.running_jobs - 1)

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
            held = total(share.amount for share in job.shares) * times
        for project in chain:
            before = self.usage.get(project.slug, NOTHING_USED)
            self.usage[project.slug] = Usage(before.amount + held, before.running_jobs + times)
