"""`trainyard nodes`, and what is asked of a node: describe, drain, undrain, remove."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.client.requests import Row, Server, path_word
from cli.durations import parse_duration
from cli.errors import RefusedError
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import refuse_unknown_node
from cli.options.shared import AsJson
from cli.options.values import understand
from cli.output import note, print_json, visible
from cli.views.node_page import node_page
from cli.views.nodes import nodes_table
from cli.views.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)
nodes_app = typer.Typer(rich_markup_mode=None)
app.add_typer(nodes_app, name="nodes")

HOLDING = ["running", "assigned", "queued"]


class Mode(StrEnum):
    WAIT = "wait"
    CHECKPOINT = "checkpoint"
    NOW = "now"


Names = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", show_default=False, help="The nodes' names.", autocompletion=completing.nodes),
]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", show_default=False, help="The node's name.", autocompletion=completing.nodes),
]
All = Annotated[bool, typer.Option("--all", "-a", help="Also those whose agent said goodbye long ago.")]


@nodes_app.callback(invoke_without_command=True)
@on_server
def nodes(server: Server, *, everything: All = False, as_json: AsJson = False) -> None:
    """List the machines and their load; describe, drain, undrain and remove them."""
    rows = server.rows("nodes", all="true" if everything else None)
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no nodes yet: start one with `python manage.py node`")
        return
    console = make_console()
    display(console, nodes_table(console, rows, server.now))


@nodes_app.command()
@on_server
def describe(server: Server, name: Name, *, as_json: AsJson = False) -> None:
    """Show everything about a machine, and which jobs hold a place on it."""
    try:
        node = server.get(f"nodes/{path_word(name)}")
    except RefusedError:
        refuse_unknown_node(server, name)
        raise
    jobs = server.rows("jobs", node=name, state=HOLDING)
    if as_json:
        print_json({**node, "jobs": jobs})
        return
    console = make_console()
    display(console, *node_page(console, node, jobs, server.now))


@nodes_app.command()
@on_server
def remove(server: Server, names: Names, *, as_json: AsJson = False) -> None:
    """Remove machines that were scaled away, as staff. An agent that starts again brings its own back."""
    refusals: list[str] = []
    gone: list[str] = []
    for name in names:
        try:
            server.delete(f"nodes/{path_word(name)}")
            gone.append(name)
        except RefusedError as error:
            refusals += [f"node {name}: {line}" for line in error.lines]
    if as_json:
        print_json(gone)
    else:
        for name in gone:
            print(f"node {visible(name)} is removed")
    if refusals:
        raise RefusedError(*refusals)


@nodes_app.command()
@on_server
def drain(
    server: Server,
    names: Names,
    *,
    mode: Annotated[
        Mode,
        typer.Option(
            help="What becomes of the jobs there: wait lets them end, checkpoint asks those that can save their work "
            "to give way, now puts all of them back in line."
        ),
    ] = Mode.WAIT,
    deadline: Annotated[
        str | None, typer.Option(metavar="TIME", help="What is left after this (30m, 2h) goes back in line.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for others to read.")] = "",
    as_json: AsJson = False,
) -> None:
    """Give machines nothing new, and empty them."""
    body: Row = {"mode": mode.value, "reason": reason}
    if deadline is not None:
        body["deadline_seconds"] = understand(parse_duration, "--deadline", deadline)
    ask_each(server, names, "drain", body, as_json=as_json)


@nodes_app.command()
@on_server
def undrain(server: Server, names: Names, *, as_json: AsJson = False) -> None:
    """Let machines take work again."""
    ask_each(server, names, "undrain", {}, as_json=as_json)


def ask_each(server: Server, names: list[str], action: str, body: Row, *, as_json: bool) -> None:
    """Ask it of every node; those that refuse do not keep it from the others, and are named at the end."""
    refusals: list[str] = []
    answers: list[Row] = []
    for name in names:
        try:
            answers.append(server.post(f"nodes/{path_word(name)}/{action}", body))
        except RefusedError as error:
            refusals += [f"node {name}: {line}" for line in error.lines]
    if as_json:
        print_json(answers)
    else:
        for node in answers:
            print(f"node {node['name']} is {outcome(node)}")
    if refusals:
        raise RefusedError(*refusals)


def outcome(node: Row) -> str:
    """As in `draining (2 jobs left)`."""
    drain = node.get("drain")
    if not drain:
        return str(node["state"])
    left = drain["jobs_left"]
    return f"draining ({left} {'job' if left == 1 else 'jobs'} left)" if left else "drained"
