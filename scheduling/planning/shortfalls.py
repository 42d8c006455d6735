"""What quotas and a queue lack for a waiting job, and who holds it."""

from scheduling.planning.cluster import Chain, Cluster
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.resources import total
from scheduling.sharing.quotas import NOTHING_USED, Usage, quota_violations
from scheduling.snapshot import RunningJob

RUNNING_JOBS = "running_jobs"


class Shortfalls:
    """What is missing of each limit that refuses the job: nothing, once enough have gone."""

    def __init__(self, cluster: Cluster, alike: SchedulingClass) -> None:
        self._alike = alike
        self._usage = cluster.usage.copy()
        self._running = cluster.running[alike.queue.name]
        self._quotas: dict[str, dict[str, int]] = {}  # by project, by name
        self._count()

    def __bool__(self) -> bool:
        return bool(self._quotas) or self._in_queue > 0

    @property
    def _in_queue(self) -> int:
        """How many of the queue's jobs must go."""
        allowed = self._alike.queue.max_running
        return 0 if allowed is None else self._running + 1 - allowed

    def _count(self) -> None:
        self._quotas = {}
        for project in self._alike.chain:
            for reason in quota_violations(self._alike.request, chain=(project,), usage=self._usage):
                self._quotas[project.slug] = dict(reason.shortfall)

    def shrink_without(self, job: RunningJob, chain: Chain) -> bool:
        """Whether less is missing once the job has gone."""
        if self._in_queue > 0 and job.queue == self._alike.queue.name:
            return True
        held = total(share.amount for share in job.shares)
        missing = [name for project in chain for name in self._quotas.get(project.slug, ())]
        return any(name == RUNNING_JOBS or getattr(held, name) > 0 for name in missing)

    def without(self, job: RunningJob, chain: Chain) -> None:
        """The job goes."""
        held = total(share.amount for share in job.shares)
        self._running -= job.queue == self._alike.queue.name
        for project in chain:
            used = self._usage.get(project.slug, NOTHING_USED)
            self._usage[project.slug] = Usage(used.amount - held, used.running_jobs - 1)
        self._count()
