"""`trainyard system`."""

import typer

from cli.client.requests import Server
from cli.on_server import on_server
from cli.options.shared import AsJson
from cli.output import print_json
from cli.views.system_page import system_page
from cli.views.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)


@app.command()
@on_server
def system(server: Server, *, as_json: AsJson = False) -> None:
    """Say how the platform itself is: services, versions, clockwork, broker, books, database, settings. For staff."""
    told = server.get("system")
    if as_json:
        print_json(told)
        return
    console = make_console()
    display(console, system_page(console, told, server.now))
