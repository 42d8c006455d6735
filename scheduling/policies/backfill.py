"""First come, first served, and what fits beside the reservations starts earlier: EASY, the standard of batch systems."""

from collections.abc import Mapping, Sequence

from scheduling.policies.base import SchedulingPolicy, first_come
from scheduling.snapshot import QueueView, WaitingJob


class BackfillPolicy(SchedulingPolicy):
    """Orders as `fifo` does, and is never run without backfilling.

    Lifka, "The ANL/IBM SP scheduling system" (1995); Mu'alem and Feitelson, IEEE TPDS 12(6), 2001.
    """

    name = "backfill"

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
