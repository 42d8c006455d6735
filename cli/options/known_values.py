"""What is named in a filter and is not there: refused with what there is, so that a typo does not look like an empty list."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from cli.client.requests import Row, Server
from cli.errors import RefusedError, UsageError

SHOWN = 20


def refuse_unknown_names(
    server: Server,
    *,
    project: str | None = None,
    queue: str | None = None,
    node: str | None = None,
    workload: str | None = None,
) -> None:
    """Raise what an empty answer may be due to: a name that is not there."""
    if project:
        refuse_unknown_project(server, project)
    if queue:
        refuse_unknown_queue(server, queue)
    if node:
        refuse_unknown_node(server, node)
    if workload and not workload.isdecimal():
        refuse_unknown_workload(server, workload)


def refuse_unknown_project(server: Server, project: str) -> None:
    _refuse("project", project, [row["slug"] for row in server.rows("projects")])


def refuse_unknown_queue(server: Server, queue: str) -> None:
    _refuse("queue", queue, [row["name"] for row in server.rows("queues")])


def refuse_unknown_node(server: Server, node: str) -> None:
    _refuse("node", node, [row["name"] for row in server.rows("nodes", all="true")])


def refuse_unknown_pool(server: Server, pool: str) -> None:
    _refuse("pool", pool, [row["name"] for row in server.rows("pools")])


def refuse_unknown_cluster(server: Server, cluster: str) -> None:
    _refuse("cluster", cluster, [row["name"] for row in server.rows("clusters")])


def refuse_unknown_workload(server: Server, workload: str) -> None:
    _refuse("workload", workload, [row["name"] for row in server.rows("workloads")])


def find_named(server: Server, kind: str, name: str, project: str | None) -> Row:
    """The workload or the schedule (`kind`) of this name or number; of several, and of none, the refusal says which there are."""
    if name.isascii() and name.isdecimal():
        found: Row = server.get(f"{kind}s/{name}")
        return found
    within: dict[str, Any] = {"project": project} if project else {}
    rows = server.rows(f"{kind}s", name=name, **within)
    if not rows:
        refuse_unknown_names(server, project=project)
        _refuse(kind, name, [row["name"] for row in server.rows(f"{kind}s")])
        raise RefusedError(f"there is no {kind} {name} there: see trainyard {kind}s")  # another project has one
    if len(rows) > 1:
        where = ", ".join(sorted(row["project"] for row in rows))
        raise UsageError(f"several projects have a {kind} {name}: {where}. Say which with --project.")
    return rows[0]


@contextmanager
def in_project(server: Server, project: str) -> Iterator[None]:
    """A refusal inside, because the project is not there, becomes one that says which there are."""
    try:
        yield
    except RefusedError:
        refuse_unknown_project(server, project)
        raise


def _refuse(what: str, value: str, known: list[str]) -> None:
    if value in known:
        return
    near = get_close_matches(value, known, n=3)
    shown = [*near, *(name for name in sorted(known) if name not in near)][:SHOWN]
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    there = f"there are: {', '.join(shown)}{more}" if known else "there are none"
    raise RefusedError(fields=[(what, f"there is no {what} '{value}'; {there}")])
