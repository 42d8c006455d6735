"""A weighted sum of all that speaks for a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduling.nodes.cluster_size import PlatformSize
from scheduling.policies.base import SchedulingPolicy
from scheduling.rules import DAY, Rules
from scheduling.run_times import expected_seconds
from scheduling.sharing.fair_tree import Account, ranks
from scheduling.snapshot import QueueView, Snapshot, WaitingJob


@dataclass(frozen=True)
class Multifactor(SchedulingPolicy):
    """Orders by the sum of weight x factor, the higher first; each factor goes from 0 to 1 (Slurm's multifactor plugin).

    age: the wait over `age_full_seconds`; fair share: the place in the fair tree; priority: its hundredth; size: the
    part of the platform's CPUs or GPUs that the job asks for, whichever is larger; deadline: 1 when no slack is left,
    0.5 when a day is.
    """

    name = "multifactor"
    rules: Rules = field(default_factory=Rules)
    places: Mapping[Account, int] = field(default_factory=dict)
    size: PlatformSize = field(default_factory=PlatformSize)

    def prepare(self, snapshot: Snapshot, now: float) -> "Multifactor":  # noqa: ARG002 - the clock comes with each key
        accounts = {Account(job.project, job.owner) for job in snapshot.waiting}
        return Multifactor(
            snapshot.rules,
            ranks(snapshot.projects, snapshot.usage, accounts),
            PlatformSize.of(snapshot),
        )

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> float:  # noqa: ARG002 - one order for all queues
        return -sum(self.points(job, now).values())

    def points(self, job: WaitingJob, now: float) -> dict[str, float]:
        """What each factor adds, by name."""
        weights = self.rules.weights
        return {
            "age": weights.age * min(1.0, max(0.0, now - job.submitted_at) / self.rules.age_full_seconds),
            "fair_share": weights.fair_share * self._fair_share(job),
            "priority": weights.priority * job.priority / 100,
            "size": weights.size * self.size.part_of(job.request),
            "deadline": weights.deadline * self._urgency(job, now),
        }

    def _fair_share(self, job: WaitingJob) -> float:
        return 1 - self.places.get(Account(job.project, job.owner), 0) / max(1, len(self.places))

    def _urgency(self, job: WaitingJob, now: float) -> float:
        if job.deadline is None:
            return 0.0
        slack = job.deadline - now - expected_seconds(job, self.rules)
        return 1.0 if slack <= 0 else DAY / (DAY + slack)
