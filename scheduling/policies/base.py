"""What a scheduling policy is: an order among the waiting jobs of a queue, and a word on who gives way."""

from collections.abc import Sequence
from typing import Any

from scheduling.snapshot import QueueView, RunningJob, WaitingJob


class SchedulingPolicy:
    """Derive from this to order jobs in another way. Policies keep no state and read no clock.

    The planner orders by `sort_key` alone, so that a line of thousands is sorted once; the other two answer for one
    job at a time.
    """

    name: str = ""

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> Any:
        """What to sort by, smallest first. Equal keys go by priority, then first come."""
        raise NotImplementedError

    def select_next_job(
        self, queue: QueueView, pending_jobs: Sequence[WaitingJob], *, now: float = 0.0
    ) -> WaitingJob | None:
        """The job that goes first among these, or None if there is none."""
        return min(
            pending_jobs,
            key=lambda job: (self.sort_key(job, queue, now), -job.priority, job.submitted_at, job.id),
            default=None,
        )

    def should_preempt(self, running_jobs: Sequence[RunningJob], new_job: WaitingJob) -> tuple[RunningJob, ...]:  # noqa: ARG002 - for those who derive
        """The running jobs that should give way to the new one: none, unless a policy says otherwise."""
        return ()
