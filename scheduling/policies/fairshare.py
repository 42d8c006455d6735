"""Who has had less than their share goes first."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from scheduling.policies.base import SchedulingPolicy
from scheduling.sharing.fair_tree import Account, ranks
from scheduling.snapshot import QueueView, Snapshot, WaitingJob


@dataclass(frozen=True)
class FairShare(SchedulingPolicy):
    """Orders by the place of the job's owner and project in the fair tree, then by priority, then first come.

    Usage is decayed by its half-life before it comes here (`Rules.half_life_seconds`).
    """

    name = "fairshare"
    places: Mapping[Account, int] = field(default_factory=dict)

    def prepare(self, snapshot: Snapshot, now: float) -> "FairShare":  # noqa: ARG002 - usage is decayed to the snapshot's moment
        accounts = {Account(job.project, job.owner) for job in snapshot.waiting}
        return FairShare(ranks(snapshot.projects, snapshot.usage, accounts))

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> int:  # noqa: ARG002 - needs neither
        return self.places.get(Account(job.project, job.owner), 0)
