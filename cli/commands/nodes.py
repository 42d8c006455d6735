"""`trainyard nodes`."""

import typer

from cli.client import Server
from cli.nodes import nodes_table
from cli.on_server import on_server
from cli.options import AsJson
from cli.output import note, print_json
from cli.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)


@app.command()
@on_server
def nodes(server: Server, *, as_json: AsJson = False) -> None:
    """List the machines and their load."""
    rows = server.rows("nodes")
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no nodes yet: start one with `python manage.py node`")
        return
    console = make_console()
    display(console, nodes_table(console, rows, server.now))
