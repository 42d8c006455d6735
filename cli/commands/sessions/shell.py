"""`trainyard shell`."""

import os
import sys
from typing import Annotated

import typer

from cli.client.requests import Server
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options.session import Rank
from cli.options.shared import JobId
from cli.output import note
from cli.sessions.beside import Beside, raw_terminal, signals, terminal_size
from cli.sessions.wire import open_wire

app = typer.Typer(rich_markup_mode=None)

Command = Annotated[
    list[str] | None,
    typer.Argument(metavar="[-- COMMAND...]", show_default=False, help="What to run instead of the job's shell."),
]
LONGEST_TERMINAL = 40


@app.command()
@on_server
def shell(server: Server, job_id: JobId, command: Command = None, rank: Rank = 0) -> None:
    """Open a terminal beside a running job: in its environment, its folder and its limits.

    All keys are the shell's, Ctrl-C too; leave it as any shell (exit, Ctrl-D). Its exit code is passed on.

    Example: trainyard shell 17

    Example: trainyard shell 17 -- python -i
    """
    if not os.isatty(0):
        raise UsageError(f"a shell needs a terminal as its input. For scripts: trainyard exec {job_id} -- COMMAND.")
    columns, rows = terminal_size()
    terminal = os.environ.get("TERM", "")[:LONGEST_TERMINAL] or "dumb"
    body = {"kind": "shell", "rank": rank, "terminal": terminal, "rows": rows, "columns": columns}
    wire = open_wire(server, job_id, body | ({"command": command} if command else {}))
    note(f"beside job {job_id} on node {wire.opened['node']}; the job goes on when you leave")
    beside = Beside(wire)
    try:
        with signals(beside, terminal=True), raw_terminal():
            beside.run()
        sys.stdout.flush()
        code = beside.result()
    finally:
        wire.close()
    raise typer.Exit(code)
