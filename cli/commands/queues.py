"""`trainyard queues`."""

import typer

from cli.client.requests import Row, Server
from cli.on_server import on_server
from cli.options.shared import AsJson
from cli.output import print_json
from cli.views.tables import Column, coloured_state, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)


def spell_running(queue: Row) -> str:
    """`3`, or `3/8` where at most 8 may run at once."""
    most = queue["max_running"]
    return f"{queue['running']}" if most is None else f"{queue['running']}/{most}"


COLUMNS = [
    Column("QUEUE", lambda queue: plain(queue["name"])),
    Column("RANK", lambda queue: str(queue["rank"]), right=True),
    Column("STATE", lambda queue: coloured_state(queue["state"])),
    Column("RUNNING", spell_running, right=True),
    Column("WAITING", lambda queue: str(queue["waiting"]), right=True),
    Column("POLICY", lambda queue: plain(queue["policy"] or "(platform's)")),
    Column("DESCRIPTION", lambda queue: plain(queue["description"]), shrinks=True),
]


@app.command()
@on_server
def queues(server: Server, *, as_json: AsJson = False) -> None:
    """List the queues, the one that goes first on top."""
    rows = sorted(server.rows("queues"), key=lambda queue: (-queue["rank"], queue["name"]))
    if as_json:
        print_json(rows)
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))
