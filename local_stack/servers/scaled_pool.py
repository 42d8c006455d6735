"""The pool of small agents that `manage.py up --autoscale` has come and go: it follows within seconds, to be looked at."""

import os

from scheduling import memory_units
from workers.models import NodePool

NAME = "local"
CPUS = 1
MEMORY_GB = 1.0
PACE = {"TRAINYARD_SCALING_SECONDS": "2"}


def pace() -> dict[str, str]:
    """What has pools decided about as often as one who looks on expects; what its operator says comes first."""
    return {name: os.environ.get(name, value) for name, value in PACE.items()}


def settle(most: int) -> None:
    """Its row, made as it is to be at first; then only how many it may have is said again, the rest is its operator's."""
    first = {
        "cpus": CPUS,
        "memory_mb": memory_units.megabytes(MEMORY_GB),
        "startup_seconds": 5,
        "scale_up_seconds": 0,
        "scale_down_seconds": 10,
        "actuator": NodePool.Actuator.LOCAL,
    }
    NodePool.objects.update_or_create(
        name=NAME, defaults={"max_nodes": most}, create_defaults={**first, "max_nodes": most}
    )
