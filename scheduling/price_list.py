"""Prices as the core is given them: of what, how much an hour, and from when until when."""

from collections.abc import Mapping
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


NODE_TYPE_LABELS = ("node-type", "node.kubernetes.io/instance-type")
CAPACITY_LABELS = ("capacity", "karpenter.sh/capacity-type")


def terms_of(labels: Mapping[str, str]) -> tuple[str, str]:
    """The type of a node and on which terms it is there, by its labels."""
    node_type = next((labels[name] for name in NODE_TYPE_LABELS if name in labels), "")
    said = next((labels[name] for name in CAPACITY_LABELS if name in labels), "")
    return node_type, said if said in (Capacity.SPOT, Capacity.RESERVED) else Capacity.ANY


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
