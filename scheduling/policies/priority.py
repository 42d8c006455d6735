"""The more urgent job goes first, and a job gains urgency as it waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scheduling.policies.base import SchedulingPolicy, default_order
from scheduling.rules import HOUR, Preemption
from scheduling.snapshot import QueueView, RunningJob, Snapshot, WaitingJob


@dataclass(frozen=True)
class Priority(SchedulingPolicy):
    """Orders by priority + ageing x hours waited, the higher first.

    What ageing adds counts in line only: it never makes a job stop another one.
    """

    name = "priority"
    points_per_second: float = 0.0
    preemption: Preemption = field(default_factory=Preemption)

    def prepare(self, snapshot: Snapshot, now: float) -> "Priority":  # noqa: ARG002 - the clock comes with each key
        return Priority(snapshot.rules.ageing_points_per_hour / HOUR, snapshot.rules.preemption)

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> float:  # noqa: ARG002 - one order for all queues
        return -(job.priority + self.points_per_second * (now - job.submitted_at))

    def line(self, jobs: Sequence[WaitingJob], queues: Mapping[str, QueueView], now: float) -> Sequence[WaitingJob]:
        """Without ageing the default order is this one."""
        return super().line(jobs, queues, now) if self.points_per_second else default_order(jobs)

    def should_preempt(self, running_jobs: Sequence[RunningJob], new_job: WaitingJob) -> tuple[RunningJob, ...]:
        """Those whose priority is lower by at least the configured gap."""
        highest = new_job.priority - self.preemption.priority_gap
        return tuple(job for job in running_jobs if job.priority <= highest)
