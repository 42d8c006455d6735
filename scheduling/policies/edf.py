"""The job whose deadline is next goes first."""

from scheduling.nodes.profile import FOREVER
from scheduling.policies.base import SchedulingPolicy
from scheduling.snapshot import QueueView, WaitingJob


class EarliestDeadline(SchedulingPolicy):
    """Orders by deadline, then priority, then first come; jobs without a deadline come after all that have one.

    Optimal on one machine when every deadline can be kept (Jackson 1955; Liu and Layland 1973).
    """

    name = "edf"

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> float:  # noqa: ARG002 - needs neither
        return FOREVER if job.deadline is None else job.deadline
