"""Clusters that run jobs by their own means, in words."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console
from rich.table import Table

from cli.client.requests import Row
from cli.durations import spell_between
from cli.output import visible
from cli.views.tables import Column, coloured_state, facts, make_table, plain


def clusters_table(console: Console, clusters: Iterable[Row], now: datetime) -> Table:
    """One line a cluster."""
    columns = [
        Column("CLUSTER", lambda one: plain(one["name"])),
        Column("KIND", lambda one: plain(one["kind"])),
        Column("STATE", lambda one: coloured_state(one["state"])),
        Column("NODES", lambda one: f"{one['nodes']['up']}/{one['nodes']['known']}", right=True),
        Column("JOBS", lambda one: str(one["running"]), right=True),
        Column("ANSWERED", lambda one: answered(one, now), right=True),
        Column("WHY", lambda one: plain(one["fault"]), shrinks=True, yields=1),
    ]
    return make_table(console, columns, clusters)


def answered(cluster: Row, now: datetime) -> str:
    """How long ago it last answered: `4s`; a dash if it never has."""
    return spell_between(cluster["reached_at"], None, now) or "-"


def cluster_facts(cluster: Row, now: datetime) -> Table:
    """Everything about one."""
    return facts(_facts(cluster, now))


def _facts(cluster: Row, now: datetime) -> Iterator[tuple[str, str]]:
    yield "cluster", visible(cluster["name"])
    yield "kind", visible(cluster["kind"])
    yield "state", ": ".join(filter(None, (cluster["state"], visible(cluster["fault"]))))
    yield "answered", f"{answered(cluster, now)} ago" if cluster["reached_at"] else "never"
    yield (
        "bridge",
        f"{'alive' if cluster['bridge_alive'] else 'silent'}, release {visible(cluster['version'] or 'unknown')}",
    )
    yield "nodes", f"{cluster['nodes']['up']} of {cluster['nodes']['known']} take jobs"
    yield "jobs", str(cluster["running"])
    phases = ", ".join(f"{count} {visible(phase)}" for phase, count in sorted(cluster["workloads"].items()))
    yield "workloads", phases or "none"
    yield "image", visible(cluster["image"] or "none: jobs have to name one")
    for field, reason in sorted(cluster["unsupported"].items()):
        yield f"no {visible(field)}", visible(reason)
