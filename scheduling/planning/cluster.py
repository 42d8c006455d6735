"""What is free on the nodes and what projects and queues hold, together: to try changes on, and as it will be soon."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.planning.eligibility import queue_holds
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.reasons import Reason
from scheduling.resources import total
from scheduling.sharing.cohort_tree import CohortTree
from scheduling.sharing.cohorts import Cohorts
from scheduling.sharing.ledger import Cells, Ledger, Levels
from scheduling.sharing.quotas import Usage, enforced
from scheduling.snapshot import Allocation, RunningJob, Snapshot

PartsUsed = Callable[[Sequence[RunningJob]], Mapping[str, Usage]]
"""What users hold, and GPUs by model, of these jobs."""


class Cluster:
    """A working copy that jobs start in and leave."""

    __slots__ = ("cohorts", "free", "running", "usage")

    def __init__(self, free: FreeNodes, usage: Ledger, running: Mapping[str, int], cohorts: Cohorts | None) -> None:
        self.free = free
        self.usage = usage.copy()
        self.running = Counter(running)
        self.cohorts = cohorts

    def copy(self) -> "Cluster":
        return Cluster(self.free.copy(), self.usage, self.running, self.cohorts)

    def refuses(self, alike: SchedulingClass) -> bool:
        """Whether the queue or the quotas have anything against one more such job."""
        return is_refused(alike, self.usage, self.running, self.cohorts)

    def refusals(self, alike: SchedulingClass) -> tuple[Reason, ...]:
        """What the queue and the quotas have against one more such job."""
        held = queue_holds(alike.queue, self.running[alike.queue.name])
        return (*held, *alike.refusals(self.usage, self.cohorts))

    def start(self, job_id: int, shares: Sequence[Allocation], alike: SchedulingClass) -> None:
        for share in shares:
            self.free.allocate(share, holder=job_id)
        self.running[alike.queue.name] += 1
        if alike.chain or alike.has_parts:
            self.usage.count(alike.levels, shares, alike.request.total)

    def withdraw(self, job_id: int, shares: Sequence[Allocation], alike: SchedulingClass) -> None:
        """The inverse of `start`."""
        for share in shares:
            self.free.release(share, holder=job_id)
        self.running[alike.queue.name] -= 1
        if alike.chain or alike.has_parts:
            self.usage.count(alike.levels, shares, alike.request.total, -1)

    def leave(self, job: RunningJob, levels: Levels) -> None:
        """The job has gone, and holds nothing any more."""
        for share in job.shares:
            self.free.release(share, holder=job.id)
        self._count(job, levels, -1)

    def leave_all(self, jobs: Iterable[tuple[RunningJob, Levels]]) -> None:
        """Many at once."""
        shares = []
        for job, levels in jobs:
            shares += [(share, job.id) for share in job.shares]
            self._count(job, levels, -1)
        self.free.release_all(shares)

    def stay(self, job: RunningJob, levels: Levels) -> None:
        """The inverse of `leave`."""
        for share in job.shares:
            if share.node in self.free:
                self.free.allocate(share, holder=job.id)
        self._count(job, levels, 1)

    def _count(self, job: RunningJob, levels: Levels, times: int) -> None:
        self.running[job.queue] += times
        if levels.projects or levels.parts:
            self.usage.count(levels, job.shares, total(share.amount for share in job.shares), times)


def is_refused(alike: SchedulingClass, usage: Ledger, running: Mapping[str, int], cohorts: Cohorts | None) -> bool:
    """Whether the queue or the quotas have anything against one more such job beside those."""
    if alike.queue_limits and queue_holds(alike.queue, running[alike.queue.name]):
        return True
    if (alike.parts or alike.choice is not None) and alike.is_too_much_in_parts(usage):
        return True
    if usage.has_room(alike.checks, alike.count):
        return False
    # Where nobody keeps anything to himself, what a job asks for is what it adds at every level.
    return cohorts is None or usage.refuses(alike.chain[0].slug, alike.request.total, firm=alike.firm)


def cells_of(snapshot: Snapshot, cohorts: Cohorts | None) -> Cells:
    """Where a ledger keeps what projects hold; only quotas ask for it."""
    if not any(map(enforced, snapshot.projects)):
        return Cells(CohortTree(()))
    return Cells(CohortTree(snapshot.projects) if cohorts is None else cohorts.tree)


def after_leaving(snapshot: Snapshot, cells: Cells, cohorts: Cohorts | None, parts: PartsUsed) -> Cluster | None:
    """The cluster once those that leave have gone; None if nobody leaves, and nobody was stopped for one that waits."""
    staying = [job for job in snapshot.running if not job.leaving]
    if len(staying) == len(snapshot.running) and not any(job.promised for job in snapshot.waiting):
        return None
    usage, running = Ledger.of(cells, staying, parts(staying)), Counter(job.queue for job in staying)
    return Cluster(FreeNodes(snapshot.nodes, staying, snapshot.kept), usage, running, cohorts)
