"""Short jobs soon, and a bound for all: the recommended policy of batch queues."""

from dataclasses import dataclass, field

from scheduling.policies.base import SchedulingPolicy
from scheduling.rules import Rules
from scheduling.run_times import expected_seconds
from scheduling.snapshot import QueueView, Snapshot, WaitingJob


@dataclass(frozen=True)
class Responsive(SchedulingPolicy):
    """Orders by the run time that is expected."""

    name = "responsive"
    rules: Rules = field(default_factory=Rules)

    def prepare(self, snapshot: Snapshot, now: float) -> "Responsive":  # noqa: ARG002 - the order has no clock
        return Responsive(snapshot.rules)

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> tuple[float, float, int]:  # noqa: ARG002 - needs neither
        return (expected_seconds(job, self.rules), job.submitted_at, job.id)
