"""Nodes as a scrape sees them: those of which the same is true are one row with sums, as there may be thousands of them."""

from datetime import datetime
from itertools import chain
from json import loads
from typing import Any

from django.db.models import Exists, Func, JSONField, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from jobs.models import Placement
from jobs.reports.metrics.families import Prepared
from workers import protocol
from workers.models import Node, NodePool
from workers.queries import in_use, with_liveness

# Each access to a heartbeat unpacks it: it is unpacked once.
TOLD = Func("load", template="jsonb_path_query_first(%(expressions)s, '$')", output_field=JSONField())
NUMBERS = (int, float)
LOAD = ("disk_full", protocol.LOAD_KEY)
"""What of heartbeats says whether their nodes take work."""
SAME = ("state", "consuming", "alive_or", "registered", "suspected", "busy", "pool", "cluster_id")
"""Of which the nodes of one row do not differ."""


def _objects(key: str) -> str:
    """How many objects are in the list of this name: agents of any release write heartbeats."""
    return f"""sum(CASE WHEN jsonb_typeof(told -> '{key}') = 'array' THEN (
        SELECT count(*) FROM jsonb_array_elements(told -> '{key}') AS one WHERE jsonb_typeof(one) = 'object'
    ) ELSE 0 END)"""  # noqa: S608  made of constants


SUMS = {
    "number": "count(*)",
    "cpus": "sum(cpus)",
    "memory_mb": "sum(memory_mb)",
    "gpus": "sum(CASE WHEN jsonb_typeof(gpus) = 'array' THEN jsonb_array_length(gpus) ELSE 0 END)",
    "gpus_out": _objects("gpus_out"),
    "trespasses": _objects("trespasses"),
    # One path over the GPUs of each, as text; they are summed up here, as to take them apart takes longer there.
    "power_mw": "string_agg(jsonb_path_query_array(told -> 'gpus', '$[*].power_mw')::text, ',')",
}
KEYS = (*SAME, *(f"told -> '{name}'" for name in LOAD))
SUMMED_UP = f"""
    SELECT {", ".join((*KEYS, *SUMS.values()))} FROM ({{rows}} OFFSET 0) AS node
    GROUP BY {", ".join(str(n + 1) for n in range(len(KEYS)))}
"""  # noqa: S608  likewise


class AlikeNodes:
    """Stands in for each of so many nodes where it is asked how a node is: each kind is judged once."""

    Liveness = Node.Liveness
    now: datetime | None = None  # of the statement: liveness was worked out by it
    state: str
    consuming: bool | None
    alive_or: str
    registered: bool
    suspected: bool
    busy: bool
    pool: str | None
    cluster_id: int | None
    load: dict[str, Any]
    number: int
    cpus: int
    memory_mb: int
    gpus: int
    gpus_out: int
    trespasses: int
    power_mw: list[float]

    def __init__(self, *values: Any) -> None:
        self.__dict__.update(zip((*SAME, *LOAD, *SUMS), values, strict=True))
        self.load = {name: loads(self.__dict__.pop(name) or "null") for name in LOAD}
        told = chain.from_iterable(loads(f"[{self.__dict__['power_mw'] or ''}]"))
        self.power_mw = [one for one in told if type(one) in NUMBERS]  # not by `is_number`: of thousands of GPUs
        self.agent_id = self.registered or None
        self.alive = self.alive_or == Node.Liveness.ALIVE

    def liveness(self, _now: datetime | None) -> str:
        return self.alive_or


def is_number(value: object) -> bool:
    """What heartbeats carry is what agents say, of any release."""
    return type(value) in NUMBERS  # true and false are of another type


def fleet() -> QuerySet[Any]:
    """Its nodes, each with its liveness now as `alive_or`."""
    return with_liveness(in_use(Node.objects.filter(removed_at__isnull=True))).order_by()


def alive_nodes() -> QuerySet[Any]:
    return fleet().filter(alive_or=Node.Liveness.ALIVE)


def _nodes() -> QuerySet[Any, Any]:
    rows = fleet().annotate(
        registered=Q(agent_id__isnull=False),
        suspected=~Q(suspicion=""),
        busy=Exists(Placement.objects.filter(node=OuterRef("pk"), closed_at__isnull=True)),
        pool=KeyTextTransform(NodePool.LABEL, "labels"),
        told=TOLD,
    )
    return rows.values_list(*SAME, "cpus", "memory_mb", "gpus", "told")


ALIKE = Prepared(_nodes, SUMMED_UP)


def alike_nodes() -> list[Any]:
    """All of the fleet."""
    return [AlikeNodes(*row) for row in ALIKE.rows()]
