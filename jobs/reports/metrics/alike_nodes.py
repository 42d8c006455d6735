"""Nodes as a scrape sees them: those of which the same is true are one row with sums, as there may be thousands of them."""

from datetime import datetime
from itertools import chain
from json import loads
from typing import Any

from django.db.models import Func, JSONField, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from jobs.models.queries import held_by_node
from jobs.reports.metrics.families import Prepared
from workers import protocol
from workers.models import Node, NodePool
from workers.queries import in_use, with_liveness

# Each access to a heartbeat unpacks it: it is unpacked once.
TOLD = Func("load", template="jsonb_path_query_first(%(expressions)s, '$')", output_field=JSONField())
NUMBERS = (int, float)
LOAD = ("disk_full", protocol.LOAD_KEY)
"""What of heartbeats says whether their nodes take work."""
SAME = ("state", "consuming", "alive_or", "registered", "suspected", "pool", "cluster_id")
"""Of which the nodes of one row do not differ, beside whether something is placed on them."""


def _objects(key: str) -> str:
    """How many objects are in the list of this name: agents of any release write heartbeats."""
    return f"""sum(CASE WHEN jsonb_typeof(told -> '{key}') = 'array' THEN (
        SELECT count(*) FROM jsonb_array_elements(told -> '{key}') AS one WHERE jsonb_typeof(one) = 'object'
    ) ELSE 0 END)"""  # noqa: S608  made of constants


SUMS = {
    "number": "count(*)",
    "cpus": "sum(node.cpus)",
    "memory_mb": "sum(node.memory_mb)",
    "gpus": "sum(CASE WHEN jsonb_typeof(node.gpus) = 'array' THEN jsonb_array_length(node.gpus) ELSE 0 END)",
    **{f"{name}_held": f"coalesce(sum(held.{name}), 0)" for name in ("cpus", "memory_mb", "gpus", "idle_gpus")},
    "gpus_out": _objects("gpus_out"),
    "trespasses": _objects("trespasses"),
    # One path over the GPUs of each, as text; they are summed up here, as to take them apart takes longer there.
    "power_mw": "string_agg(jsonb_path_query_array(told -> 'gpus', '$[*].power_mw')::text, ',')",
    "removed": """jsonb_agg(jsonb_build_array(name, told -> 'removed'))
        FILTER (WHERE told #> '{removed,folders}' > '0')""",
}
KEYS = (*SAME, "held.node_id IS NOT NULL", *(f"told -> '{name}'" for name in LOAD))
SUMMED_UP = f"""
    SELECT {", ".join((*KEYS, *SUMS.values()))}
    FROM ({{0}} OFFSET 0) AS node LEFT JOIN ({{1}}) AS held ON held.node_id = node.id
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
    cpus_held: int
    memory_mb_held: int
    gpus_held: int
    idle_gpus_held: int
    gpus_out: int
    trespasses: int
    power_mw: list[float]
    removed: list[tuple[str, Any]]
    """Names of those that removed folders of deleted jobs, with what their heartbeats say of that."""

    def __init__(self, *values: Any) -> None:
        self.__dict__.update(zip((*SAME, "busy", *LOAD, *SUMS), values, strict=True))
        self.load = {name: loads(self.__dict__.pop(name) or "null") for name in LOAD}
        told = chain.from_iterable(loads(f"[{self.__dict__['power_mw'] or ''}]"))
        self.power_mw = [one for one in told if type(one) in NUMBERS]  # not by `is_number`: of thousands of GPUs
        self.removed = loads(self.__dict__["removed"] or "[]")
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
        pool=KeyTextTransform(NodePool.LABEL, "labels"),
        told=TOLD,
    )
    return rows.values_list("id", "name", *SAME, "cpus", "memory_mb", "gpus", "told")


ALIKE = Prepared(_nodes, held_by_node, statement=SUMMED_UP)


def alike_nodes() -> list[Any]:
    """All of the fleet."""
    return [AlikeNodes(*row) for row in ALIKE.rows()]
