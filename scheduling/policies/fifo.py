"""First come, first served: priority does not count."""

from collections.abc import Mapping, Sequence

from scheduling.policies.base import SchedulingPolicy, first_come
from scheduling.snapshot import QueueView, WaitingJob


class Fifo(SchedulingPolicy):
    """Orders by the moment of submission alone."""

    name = "fifo"

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> tuple[float, int]:  # noqa: ARG002 - needs neither
        return (job.submitted_at, job.id)

    def line(
        self,
        jobs: Sequence[WaitingJob],
        queues: Mapping[str, QueueView],  # noqa: ARG002 - one order for all queues
        now: float,  # noqa: ARG002
    ) -> Sequence[WaitingJob]:
        """As `sort_key` says, without a key for each job."""
        return first_come(jobs)
