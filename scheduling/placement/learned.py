"""Where the job runs fastest, by what was learned, and leaves machines that are fast for all to those that gain most by it."""

from scheduling.placement.scores import WeightedScore
from scheduling.rules import PlacementWeights
from scheduling.snapshot import Snapshot

SPEED_ALONE = PlacementWeights(price=0.0, speed=1.0, fit=0.05, reliability=0.0, latency=0.0)
COMPARATIVE = 0.5
"""The part of what a type does to all kinds that does not speak for it. At 0 every job wants the newest machines, at 1 a job
goes where it gains more than others do, however slow that is; between them, halfway, most was gained in
`benchmarks/placement_gain.py`."""


class Learned(WeightedScore):
    """As `weighted`, by run times alone, whatever the weights of queues; of equals the fullest, then the first by name.

    A job's time on a type is held against what that type does to all kinds: the comparative advantage.
    """

    name = "learned"
    order = "by the learned run time there, beside what is usual on such machines, the least first"

    def __init__(self, weights: PlacementWeights = SPEED_ALONE, snapshot: Snapshot | None = None) -> None:
        super().__init__(weights, snapshot, comparative=COMPARATIVE)

    def weights_of(self, queue: str) -> PlacementWeights:  # noqa: ARG002 - the same for all
        """Always the same."""
        return self._weights


LEARNED = Learned()
