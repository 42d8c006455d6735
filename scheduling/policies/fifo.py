"""First come, first served: priority does not count."""

from scheduling.policies.base import SchedulingPolicy
from scheduling.snapshot import QueueView, WaitingJob


class Fifo(SchedulingPolicy):
    """Orders by the moment of submission alone."""

    name = "fifo"

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> tuple[float, int]:  # noqa: ARG002 - needs neither
        return (job.submitted_at, job.id)
