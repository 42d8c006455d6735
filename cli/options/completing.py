"""What the shell offers after Tab: values that the server knows, if it answers at once, and otherwise nothing."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from cli.client.connection import find_connection
from cli.client.profiles import read_profiles

MOST = 100
"""Rows that are asked for: nobody reads more of them below a prompt."""
STATES = ("pending", "queued", "assigned", "running", "paused", "completed", "failed", "cancelled")
ROLES = ("viewer", "member", "admin")

Row = dict[str, Any]
Offer = Callable[[typer.Context, str], list[Any]]


def words(*known: str) -> Offer:
    """These words."""

    def offer(_ctx: typer.Context, incomplete: str) -> list[Any]:
        return [word for word in known if word.startswith(incomplete)]

    return offer


def rows_of(path: str, key: str, describe: Callable[[Row], str], **params: Any) -> Offer:
    """What is under `key` in the rows of a list, each with a word about it."""

    def offer(ctx: typer.Context, incomplete: str) -> list[Any]:
        found = [(str(row[key]), describe(row)) for row in _ask(ctx, path, params)]
        return [(name, about) for name, about in found if name.startswith(incomplete)]

    return offer


def profiles(_ctx: typer.Context, incomplete: str) -> list[Any]:
    try:
        known = read_profiles(os.environ).by_name
    except Exception:  # noqa: BLE001  whatever went wrong: a shell that completes must not be disturbed
        return []
    return [(name, one.url) for name, one in known.items() if name.startswith(incomplete)]


def _ask(ctx: typer.Context, path: str, params: dict[str, Any]) -> list[Row]:
    given = _server_choice(ctx)
    try:
        connection = find_connection(
            given.get("url"),
            given.get("token_file"),
            environ=os.environ,
            folder=Path.cwd(),
            profile=given.get("profile"),
        )
        # What speaks HTTP takes long to load, and this module is loaded with every command.
        with importlib.import_module("cli.client.requests").quick_server(connection) as server:
            found: list[Row] = server.rows(path, limit=MOST, **params)
            return found
    except Exception:  # noqa: BLE001  as above
        return []


def _server_choice(ctx: Any) -> dict[str, Any]:
    """The options by which the server was chosen so far, the nearest first."""
    given: dict[str, Any] = {}
    while ctx is not None:
        for name in ("url", "token_file", "profile"):
            value = ctx.params.get(name)
            if value:
                given.setdefault(name, Path(value) if name == "token_file" else value)
        ctx = ctx.parent
    return given


job_ids = rows_of("jobs", "id", lambda job: f"{job['name']} ({job['state']})")
nodes = rows_of("nodes", "name", lambda node: str(node["state"]))
clusters = rows_of("clusters", "name", lambda cluster: f"{cluster['kind']}, {cluster['state']}")
pools = rows_of("pools", "name", lambda pool: str(pool["why"]))
queues = rows_of("queues", "name", lambda queue: str(queue["description"]))
projects = rows_of("projects", "slug", lambda project: str(project["name"]))
workloads = rows_of("workloads", "name", lambda one: f"{one['state']}, {one['done']} of {one['jobs']} ended")
reservations = rows_of("reservations", "name", lambda one: ", ".join(one["nodes"]))
tokens = rows_of("auth/tokens/own", "id", lambda token: f"made {str(token['created'])[:10]}")
states = words(*STATES)
roles = words(*ROLES)
priorities = words("urgent", "normal", "background")
