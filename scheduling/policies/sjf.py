"""The shortest job goes first."""

from dataclasses import dataclass, field

from scheduling.policies.base import SchedulingPolicy
from scheduling.rules import Rules
from scheduling.run_times import expected_seconds
from scheduling.snapshot import QueueView, Snapshot, WaitingJob


@dataclass(frozen=True)
class ShortestFirst(SchedulingPolicy):
    """Orders by the run time that is expected: learned, else what the owner expects, else the limit.

    Best for the mean wait and without mercy for long jobs: set a bounded wait, or use `responsive`.
    """

    name = "sjf"
    rules: Rules = field(default_factory=Rules)

    def prepare(self, snapshot: Snapshot, now: float) -> "ShortestFirst":  # noqa: ARG002 - the order has no clock
        return ShortestFirst(snapshot.rules)

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> tuple[float, float, int]:  # noqa: ARG002 - needs neither
        return (expected_seconds(job, self.rules), job.submitted_at, job.id)
