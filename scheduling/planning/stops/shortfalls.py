"""What quotas and a queue lack for a waiting job, and who holds it."""

from collections.abc import Mapping

from scheduling.planning.cluster import Cluster
from scheduling.planning.scheduling_class import SchedulingClass
from scheduling.resources import total
from scheduling.sharing.ledger import Levels
from scheduling.snapshot import RunningJob

RUNNING_JOBS = "running_jobs"


class Shortfalls:
    """What is missing of each limit that refuses the job: nothing, once enough have gone."""

    def __init__(self, cluster: Cluster, alike: SchedulingClass) -> None:
        self._alike = alike
        self._usage = cluster.usage.copy()
        self._cohorts = cluster.cohorts
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
        self._quotas = self._missing()

    def _missing(self) -> dict[str, dict[str, int]]:
        missing: dict[str, dict[str, int]] = {}
        for subject, short in self._alike.shortages(self._usage):
            missing.setdefault(subject, {}).update(short)
        return missing

    def shrink_without(self, job: RunningJob, levels: Levels) -> bool:
        """Whether less is missing once the job has gone."""
        if self._in_queue > 0 and job.queue == self._alike.queue.name:
            return True
        if self._cohorts is not None:
            self._leave(job, levels)
            left = _sum(self._missing())
            self._leave(job, levels, back=True)
            return left < _sum(self._quotas)
        held = total(share.amount for share in job.shares)
        return any(
            name == RUNNING_JOBS or getattr(level.held(job.shares, held), name) > 0
            for level in (*levels.projects, *levels.parts)
            for name in self._quotas.get(level.slug, ())
        )

    def without(self, job: RunningJob, levels: Levels) -> None:
        """The job goes."""
        self._running -= job.queue == self._alike.queue.name
        self._leave(job, levels)
        self._count()

    def _leave(self, job: RunningJob, levels: Levels, *, back: bool = False) -> None:
        held = total(share.amount for share in job.shares)
        self._usage.count(levels, job.shares, held, 1 if back else -1)


def _sum(missing: Mapping[str, Mapping[str, int]]) -> int:
    return sum(amount for of in missing.values() for amount in of.values())
