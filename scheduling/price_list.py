"""Prices as the core is given them: of what, how much an hour, and from when until when."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Target(StrEnum):
    """What has a price: a whole node by its name or type, a GPU by its model, a CPU, a GB of memory."""

    NODE = "node"
    NODE_TYPE = "node_type"
    GPU_MODEL = "gpu_model"
    CPU = "cpu"
    MEMORY_GB = "memory_gb"


class Capacity(StrEnum):
    """On which terms a node is there; `ANY` is a price for all terms that have none of their own."""

    ANY = ""
    SPOT = "spot"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class Price:
    """An amount an hour, from `since` until just before `until`. A CPU and a GB of memory have no name."""

    target: Target
    per_hour: Decimal
    since: datetime
    until: datetime | None = None
    name: str = ""
    capacity: str = Capacity.ANY

    def is_valid(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)
