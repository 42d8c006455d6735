"""How much of the platform a job asks for."""

from dataclasses import dataclass

from scheduling.resources import Request
from scheduling.snapshot import Snapshot


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
