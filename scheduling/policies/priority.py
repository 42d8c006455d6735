"""The more urgent job goes first; equals go first come."""

from scheduling.policies.base import SchedulingPolicy
from scheduling.snapshot import QueueView, WaitingJob


class Priority(SchedulingPolicy):
    """Orders by priority, the higher first."""

    name = "priority"

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> int:  # noqa: ARG002 - needs neither
        return -job.priority
