"""`trainyard nodes`, `trainyard nodes drain` and `trainyard nodes undrain`."""

from enum import StrEnum
from typing import Annotated

import typer

from cli.client import Row, Server
from cli.durations import parse_duration
from cli.errors import RefusedError
from cli.nodes import nodes_table
from cli.on_server import on_server
from cli.option_values import understand
from cli.options import AsJson
from cli.output import note, print_json
from cli.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)
nodes_app = typer.Typer(rich_markup_mode=None)
app.add_typer(nodes_app, name="nodes")


class Mode(StrEnum):
    WAIT = "wait"
    CHECKPOINT = "checkpoint"
    NOW = "now"


Names = Annotated[list[str], typer.Argument(metavar="NAME...", show_default=False, help="The nodes' names.")]


@nodes_app.callback(invoke_without_command=True)
@on_server
def nodes(server: Server, *, as_json: AsJson = False) -> None:
    """List the machines and their load; drain and undrain them."""
    rows = server.rows("nodes")
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
            answers.append(server.post(f"nodes/{name}/{action}", body))
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
