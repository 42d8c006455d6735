"""First come, first served, and what fits beside the reservations starts earlier: EASY, the standard of batch systems."""

from scheduling.policies.base import SchedulingPolicy
from scheduling.snapshot import QueueView, WaitingJob


class BackfillPolicy(SchedulingPolicy):
    """Orders as `fifo` does, and is never run without backfilling.

    Lifka, "The ANL/IBM SP scheduling system" (1995); Mu'alem and Feitelson, IEEE TPDS 12(6), 2001.
    """

    name = "backfill"

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> tuple[float, int]:  # noqa: ARG002 - needs neither
        return (job.submitted_at, job.id)
