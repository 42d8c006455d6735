"""Short jobs soon, and nobody later than under plain backfilling."""

from dataclasses import dataclass

from scheduling.policies.responsive import Responsive
from scheduling.snapshot import Snapshot, WaitingJob


@dataclass(frozen=True)
class Floor(Responsive):
    """Orders as `responsive` does, without its bound: nobody starves, as each job has its turn in the shadow.

    Who has to start when so that nobody ends later is worked out in `scheduling/planning/floor/`.
    """

    name = "floor"
    learns_bound = False
    keeps_floor = True

    def prepare(self, snapshot: Snapshot, now: float) -> "Floor":  # noqa: ARG002 - the order has no clock
        return Floor(snapshot.rules)

    def bound_seconds(self, job: WaitingJob) -> float:  # noqa: ARG002 - the shadow bounds every wait
        return float("inf")

    def learned_bound_seconds(self, job: WaitingJob) -> float:  # noqa: ARG002 - as above
        return float("inf")
