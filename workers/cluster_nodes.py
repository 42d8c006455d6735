"""The nodes of a cluster as rows: made, kept current and removed in a few statements, whatever their number."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from workers.models import Cluster, Node
from workers.protocol import LOAD_KEY, PROTOCOL

LONGEST = 63
HASH_CHARACTERS = 6
NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
# Locked in the order of names. Labels that were set over REST stay, as on any other node. A name that a node of somebody
# else's has is left alone: names were made unique before.
WRITE = """
    INSERT INTO workers_node AS node (
        name, hostname, address, state, drain_reason, cordoned, cpus, memory_mb, gpus, load, labels,
        agent_id, version, cluster_id, cluster_node, last_heartbeat_at
    )
    SELECT said.name, said.hostname, said.address, 'up', '', false, said.cpus, said.memory_mb, said.gpus, said.load,
           said.labels, %(agent_id)s, '', %(cluster_id)s, said.hostname, statement_timestamp()
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS said (
        name text, hostname text, address text, cpus int, memory_mb bigint, gpus jsonb, load jsonb, labels jsonb
    )
    ORDER BY said.name
    ON CONFLICT (name) DO UPDATE SET
        hostname = excluded.hostname, address = excluded.address, cpus = excluded.cpus, memory_mb = excluded.memory_mb,
        gpus = excluded.gpus, load = excluded.load, labels = node.labels || excluded.labels, agent_id = excluded.agent_id,
        cluster_node = excluded.cluster_node, removed_at = NULL, refusal = ''
    WHERE node.cluster_id = excluded.cluster_id
"""


@dataclass(frozen=True, slots=True)
class SeenNode:
    """One node as its cluster shows it, what others use subtracted. `gpus_taken`: those of its GPUs that others have."""

    name: str
    cluster_node: str
    cpus: int
    memory_mb: int
    gpus: tuple[Mapping[str, Any], ...] = ()
    gpus_taken: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    unusable: str = ""
    """Why nothing may start there; empty: it may."""
    address: str = ""

    def as_row(self) -> dict[str, Any]:
        load = {LOAD_KEY: PROTOCOL, "gpus_taken": list(self.gpus_taken)}
        return {
            "name": self.name,
            "hostname": self.cluster_node[:255],
            "address": self.address[:255],
            "cpus": self.cpus,
            "memory_mb": self.memory_mb,
            "gpus": list(self.gpus),
            "labels": dict(self.labels),
            "load": {**load, "unusable": self.unusable[:200]} if self.unusable else load,
        }


def node_name(cluster: str, node: str) -> str:
    """`<cluster>-<node>`, valid as a node's name: cut with a hash behind it where it is too long or lost a character."""
    plain = NOT_IN_NAMES.sub("-", node.lower()).strip("-")
    name = f"{cluster}-{plain}"
    if name == f"{cluster}-{node}" and len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(node.encode()).hexdigest()[:HASH_CHARACTERS]
    return f"{name[: LONGEST - HASH_CHARACTERS - 1].rstrip('-')}-{digest}"


def write(cluster: Cluster, agent_id: UUID, nodes: Sequence[SeenNode]) -> None:
    """Make these rows, or bring them up to date. Whether they take work `workers.clusters.keep_nodes` says."""
    if not nodes:
        return
    rows = json.dumps([node.as_row() for node in nodes])
    with connection.cursor() as cursor:
        cursor.execute(WRITE, {"rows": rows, "agent_id": agent_id, "cluster_id": cluster.pk})


def known(cluster_id: int) -> dict[str, SeenNode]:
    """The cluster's nodes that are there as their rows have them, by the cluster's own names."""
    rows = Node.objects.filter(cluster=cluster_id, removed_at__isnull=True).exclude(state=Node.State.DOWN)
    return {
        row.cluster_node: SeenNode(
            name=row.name,
            cluster_node=row.cluster_node,
            cpus=row.cpus,
            memory_mb=row.memory_mb,
            gpus=tuple(row.gpus),
            gpus_taken=tuple(row.load.get("gpus_taken", ())),
            labels=row.labels,
            unusable=row.load.get("unusable", ""),
            address=row.address,
        )
        for row in rows
    }


def vanished(cluster_id: int, names: Sequence[str], *, in_use: Q) -> None:
    """These are no nodes of the cluster any more; history, unless something of ours is `in_use` there: then just down."""
    gone = Node.objects.filter(cluster=cluster_id, name__in=names)
    gone.update(state=Node.State.DOWN, load={}, agent_id=None)
    gone.exclude(in_use).update(removed_at=Now())
