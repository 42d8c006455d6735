"""`trainyard top`."""

from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live

from cli.client.requests import Server
from cli.errors import OutOfReachError
from cli.keys import key_within, single_keys
from cli.on_server import on_server
from cli.options.shared import AsJson
from cli.output import print_json
from cli.views.dashboard import fetch_snapshot, frame
from cli.views.tables import display, in_pipe, make_console, plain

app = typer.Typer(rich_markup_mode=None)

Every = Annotated[float, typer.Option("--every", min=0.5, metavar="SECONDS", help="How often to look.")]


LIVE: dict[str, Any] = {"screen": True, "auto_refresh": False, "redirect_stdout": False, "redirect_stderr": False}


@app.command()
@on_server
def top(server: Server, every: Every = 2.0, *, as_json: AsJson = False) -> None:
    """Watch the services, the machines and the jobs, live, and what they cost.

    The key q leaves. In a pipe it is one look.
    """
    console = make_console()
    if as_json:
        snapshot = fetch_snapshot(server)
        print_json({"nodes": snapshot.nodes, "running": snapshot.placed, "waiting": snapshot.waiting, **snapshot.yard})
    elif in_pipe(console):
        display(console, frame(console, fetch_snapshot(server)))
    else:
        with suppress(KeyboardInterrupt):
            watch(server, console, every)


def watch(server: Server, console: Console, every: float) -> None:
    """Look again and again, until the user leaves; a server that is away for a while is waited for."""
    last: RenderableType = frame(console, fetch_snapshot(server), lines=console.height)
    with single_keys() as readable, Live(last, **LIVE, console=console) as live:
        while key_within(every, readable=readable) not in ("q", "Q"):
            try:
                last = frame(console, fetch_snapshot(server), lines=console.height)
                live.update(last, refresh=True)
            except OutOfReachError as silence:
                live.update(Group(plain(silence, "bold red"), last), refresh=True)
