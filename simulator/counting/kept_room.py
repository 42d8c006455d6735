"""What is kept for the first in line while it waits for room."""

from simulator.counting.pool_job import PoolJob


class KeptRoom:
    """From `moment` on, when the job can start at the latest, others may have no more than `extra`. Before that all that is free."""

    __slots__ = ("extra", "job", "moment")

    def __init__(self, job: PoolJob, moment: float, extra: int) -> None:
        self.job = job
        self.moment = moment
        self.extra = extra

    def admits(self, job: PoolJob, now: float) -> bool:
        """Whether another job may start now, if it fits in what is free."""
        return job.width <= self.extra or now + job.limit <= self.moment

    def take(self, job: PoolJob, now: float) -> None:
        """It starts now."""
        if now + job.limit > self.moment:
            self.extra -= job.width
