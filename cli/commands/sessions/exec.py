"""`trainyard exec`."""

from typing import Annotated

import typer

from cli.client.requests import Server
from cli.on_server import on_server
from cli.options.session import Rank
from cli.options.shared import JobId
from cli.sessions.beside import Beside, signals
from cli.sessions.wire import open_wire

app = typer.Typer(rich_markup_mode=None)

Command = Annotated[list[str], typer.Argument(metavar="-- COMMAND...", show_default=False, help="What to run there.")]


@app.command(name="exec")
@on_server
def run_beside(server: Server, job_id: JobId, command: Command, rank: Rank = 0) -> None:
    """Run a command beside a running job: in its environment, its folder and its limits.

    Input, output and errors are the command's; so is the exit code (126: it cannot be started, 127: there is no such
    program, 255: the connection broke off). Ctrl-C interrupts it; a second one leaves, and it ends.

    Example: trainyard exec 17 -- nvidia-smi
    """
    wire = open_wire(server, job_id, {"kind": "exec", "command": command, "rank": rank})
    beside = Beside(wire)
    try:
        with signals(beside, terminal=False):
            beside.run()
        code = beside.result()
    finally:
        wire.close()
    raise typer.Exit(code)
