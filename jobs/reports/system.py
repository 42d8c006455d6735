"""How the platform itself is, as far as its database knows: last cycle and sweep, audits, nodes, alerts, tables, pools, settings."""

import platform
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models.functions import Now

from jobs.models import AuditResult, Cycle, StandingAlert
from jobs.models.queries import rows
from jobs.models.sweep import Sweep
from jobs.reports import node_health
from workers.clusters import why_silent
from workers.models import Cluster, Node, NodePool
from workers.queries import in_use, nodes_now

LARGEST = """
    SELECT relname, pg_total_relation_size(oid), greatest(reltuples, 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC LIMIT 10
"""
CONNECTIONS = """
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()), current_setting('max_connections')::int,
           pg_database_size(current_database())
"""
SHOWN = 50
"""So many nodes are named of each kind."""


def versions(nodes: Sequence[Any], broker: str) -> dict[str, Any]:
    """Of everything that has one; `skewed`: agents of another release than the site."""
    [(server,)] = rows("SELECT split_part(current_setting('server_version'), ' ', 1)")
    known = Counter(node.version or "unknown" for node in nodes if node.liveness(node.now) == Node.Liveness.ALIVE)
    agents = [
        {"version": version, "nodes": count, "skewed": version != settings.RELEASE}
        for version, count in sorted(known.items())
    ]
    return {
        "platform": settings.RELEASE,
        "python": platform.python_version(),
        "postgresql": server,
        "broker": broker,
        "agents": agents,
        "skewed": any(one["skewed"] for one in agents),
    }


def nodes_in_use() -> list[Any]:
    """With what it takes to judge them, and no more: what else is known of a thousand nodes is long."""
    return list(in_use(nodes_now()).select_related("cluster").defer("gpus", "labels").order_by("name"))


def fleet(nodes: Sequence[Any]) -> dict[str, Any]:
    """Who needs somebody to look."""
    deaf = [node.name for node in nodes if node_health.consuming(node) is False]
    lost = [node.name for node in nodes if node_health.lost(node)]
    return {
        "nodes": len(nodes),
        "deaf": {"count": len(deaf), "names": deaf[:SHOWN]},
        "lost": {"count": len(lost), "names": lost[:SHOWN]},
    }


def cycle() -> dict[str, Any]:
    names = ("started_at", "duration_ms", "count", "placed", "waiting", "alerts")
    return Cycle.objects.values(*names).first() or dict.fromkeys(names)


def sweep() -> dict[str, Any]:
    names = ("swept_at", "leases_judged_from")
    return Sweep.objects.values(*names).first() or dict.fromkeys(names)


def audits() -> list[dict[str, Any]]:
    """`drift` is what differs at the moment; `suspects` what does, and not yet for long enough to count."""
    found = AuditResult.objects.order_by("books")
    return [
        {
            "books": one.books,
            "at": one.at,
            "duration_ms": one.duration_ms,
            "drift": dict(_differences(one.drift)),
            "suspects": len(one.suspects),
            "mended": one.mended,
        }
        for one in found
    ]


def _differences(drift: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is not nothing; of one audit the books are named before what differs in them: `rows gpus`."""
    for name, value in drift.items():
        if isinstance(value, Mapping):
            yield from ((f"{name} {inner}", amount) for inner, amount in _differences(value))
        elif value:
            yield name, value


def alerts() -> Sequence[Mapping[str, Any]]:
    return list(StandingAlert.objects.values("sentence", "since"))


def database() -> dict[str, Any]:
    [(connections, most, size)] = rows(CONNECTIONS)
    tables = [{"name": name, "bytes": size, "rows": count} for name, size, count in rows(LARGEST)]
    return {"bytes": size, "connections": connections, "max_connections": most, "tables": tables}


def log_storage() -> dict[str, Any]:
    """What is free where logs lie; of a bucket nobody knows, and on a machine that has not the folder neither."""
    if settings.LOG_STORAGE == "s3":
        return {"kind": "s3", "place": settings.LOG_S3["bucket_name"], "free_bytes": None}
    free = None
    with suppress(OSError):
        folder = Path(settings.LOG_FOLDER)  # made with the first log that is stored
        free = shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free
    return {"kind": "files", "place": settings.LOG_FOLDER, "free_bytes": free}


def clusters() -> list[dict[str, Any]]:
    """Those that run jobs by their own means, with why one does not answer."""
    found: Any = Cluster.objects.annotate(now=Now())
    return [
        {
            "name": row.name,
            "kind": row.kind,
            "reached": row.is_reached(row.now),
            "reached_at": row.reached_at,
            "fault": "" if row.is_reached(row.now) else why_silent(row, row.now),
            "workloads": row.workloads,
        }
        for row in found
    ]


def pools() -> list[dict[str, Any]]:
    names = (
        "name",
        "actuator",
        "paused",
        "busy_nodes",
        "waiting_jobs",
        "desired_nodes",
        "why",
        "fault",
        "decided_at",
        "acted_at",
    )
    return list(NodePool.objects.values(*names))
