"""What is named in a filter and is not there: refused with what there is, so that a typo does not look like an empty list."""

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches

from cli.client.requests import Server
from cli.errors import RefusedError

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
