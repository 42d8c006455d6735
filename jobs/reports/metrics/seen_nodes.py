"""Nodes as a scrape sees them: what those who judge nodes look at, and no more, as there may be thousands."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, Func, IntegerField, JSONField

from workers.models import Node
from workers.queries import in_use, nodes_now

# Most of a heartbeat are figures of GPUs, and to read those of a thousand nodes would take longer than all the rest.
GPU_COUNT = Func(
    "gpus",
    template="CASE WHEN jsonb_typeof(%(expressions)s) = 'array' THEN jsonb_array_length(%(expressions)s) ELSE 0 END",
    output_field=IntegerField(),
)
WITHOUT_GPUS = Func(
    "load",
    template="CASE WHEN jsonb_typeof(%(expressions)s) = 'object' THEN %(expressions)s - 'gpus'::text ELSE '{}' END",
    output_field=JSONField(),
)
POWER = Func(
    "load",
    template="""(
        SELECT sum(power::bigint) FROM jsonb_path_query(%(expressions)s, '$.gpus[*].power_mw') AS power
        WHERE jsonb_typeof(power) = 'number'
    )""",
    output_field=BigIntegerField(),
)
COLUMNS = (
    "pk",
    "name",
    "state",
    "labels",
    "consuming",
    "agent_id",
    "last_heartbeat_at",
    "suspicion",
    "cpus",
    "memory_mb",
    "cluster_id",
)


class SeenNode:
    """Stands in for a `Node` of `workers.queries.nodes_now`: its liveness is worked out once."""

    Liveness = Node.Liveness
    pk: int
    name: str
    state: str
    labels: dict[str, Any]
    consuming: bool | None
    agent_id: UUID | None
    last_heartbeat_at: datetime | None
    suspicion: str
    cpus: int
    memory_mb: int
    cluster_id: int | None

    def __init__(self, *values: Any) -> None:
        *known, self.now, self.gpu_count, told, power = values
        self.__dict__.update(zip(COLUMNS, known, strict=True))
        self.load = {**told, "gpus": [] if power is None else [{"power_mw": power}]}
        itself: Any = self
        self._liveness = Node.liveness(itself, self.now)

    def liveness(self, _now: datetime) -> str:
        return self._liveness


def seen_nodes() -> list[Any]:
    """Those of the fleet. In `load`, what all the GPUs of a node draw stands for them."""
    rows = in_use(nodes_now()).annotate(gpu_count=GPU_COUNT, told=WITHOUT_GPUS, power=POWER).order_by()
    return [SeenNode(*row) for row in rows.values_list(*COLUMNS, "now", "gpu_count", "told", "power")]
