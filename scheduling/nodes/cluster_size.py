"""How much of the platform a job asks for."""

from collections.abc import Iterable
from dataclasses import dataclass

from scheduling.resources import Request
from scheduling.snapshot import Snapshot

MILLISECONDS = 1_000


@dataclass(frozen=True, slots=True)
class PlatformSize:
    """What all nodes have together, taken or not."""

    gpus: int = 0
    cpus: int = 0

    @classmethod
    def of(cls, snapshot: Snapshot) -> "PlatformSize":
        return cls(sum(len(node.gpus) for node in snapshot.nodes), sum(node.cpus for node in snapshot.nodes))

    def part_of(self, request: Request) -> float:
        """The part of the GPUs or of the CPUs that the request asks for, whichever is larger: from 0 to 1."""
        asked = request.total
        return min(1.0, max(asked.gpus / max(1, self.gpus), asked.cpus / max(1, self.cpus)))

    def work(self, request: Request, seconds: float) -> int:
        """What it is to hold that for so long, as a whole number: the sum of many is the same in any order."""
        asked, gpus, cpus = request.total, max(1, self.gpus), max(1, self.cpus)
        return min(gpus * cpus, max(asked.gpus * cpus, asked.cpus * gpus)) * round(seconds * MILLISECONDS)

    def seconds_for(self, work: Iterable[int]) -> float:
        """How long all nodes together would take for it, with no room lost."""
        return sum(work) / (max(1, self.gpus) * max(1, self.cpus) * MILLISECONDS)
