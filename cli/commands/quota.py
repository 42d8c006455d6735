"""`trainyard quota`."""

from typing import Annotated

import typer

from cli.client.requests import Row, Server, path_word
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import in_project
from cli.options.shared import DEFAULT_PROJECT, AsJson
from cli.output import note, print_json
from cli.views.nodes import load_bar
from cli.views.tables import Column, display, make_console, make_table

app = typer.Typer(rich_markup_mode=None)

Project = Annotated[
    str,
    typer.Argument(
        metavar="PROJECT", envvar="TRAINYARD_PROJECT", help="The project.", autocompletion=completing.projects
    ),
]
NAMES = {
    "gpus": "GPUs",
    "cpus": "CPUs",
    "memory_gb": "memory GB",
    "running_jobs": "running jobs",
    "waiting_jobs": "waiting jobs",
}


@app.command()
@on_server
def quota(server: Server, project: Project = DEFAULT_PROJECT, *, as_json: AsJson = False) -> None:
    """Show what a project holds, and how much it may hold."""
    with in_project(server, project):
        answer = server.get(f"queues/quota/{path_word(project)}")
    if as_json:
        print_json(answer)
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, amounts(answer)))
    if not answer["enforced"]:
        note("not enforced: nothing is held back by these limits")


COLUMNS = [
    Column("OF", lambda amount: NAMES[amount["name"]]),
    Column("USED", lambda amount: spell_amount(amount["usage"]), right=True),
    Column("LIMIT", lambda amount: spell_amount(amount["limit"], "none"), right=True),
    Column("", lambda amount: load_bar(amount["usage"], amount["limit"])),
    Column("LEFT", lambda amount: spell_amount(amount["available"], "no limit"), right=True),
]


def amounts(answer: Row) -> list[Row]:
    """One row for each thing that is limited."""
    names = [name for name in NAMES if name in answer["limits"]]
    limits, usage, left = answer["limits"], answer["usage"], answer["available"]
    return [{"name": name, "limit": limits[name], "usage": usage[name], "available": left[name]} for name in names]


def spell_amount(amount: float | None, without: str = "") -> str:
    return without if amount is None else f"{amount:g}"
