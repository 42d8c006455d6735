"""What is kept for the first in line while it waits for room."""

from simulator.counting.pool_job import PoolJob


class KeptRoom:
    """From `moment` on, when the job can start at the latest, others may have no more than `extra`. Before that all that is free.

    `endless` is what those have whose end nobody counts on; None if their limits are believed like those of others.
    """

    __slots__ = ("endless", "extra", "job", "moment")

    def __init__(self, job: PoolJob, moment: float, extra: int, endless: int | None = None) -> None:
        self.job = job
        self.moment = moment
        self.extra = extra
        self.endless = endless

    def admits(self, job: PoolJob, now: float) -> bool:
        """Whether another job may start now, if it fits in what is free."""
        if job.assumed and self.endless is not None:
            return job.width <= self.endless
        return job.width <= self.extra or now + job.limit <= self.moment

    def take(self, job: PoolJob, now: float) -> None:
        """It starts now."""
        stays = now + job.limit > self.moment
        if stays:
            self.extra -= job.width
        if self.endless is not None and (stays or job.assumed):
            self.endless -= job.width
