"""`trainyard quote`."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.client.requests import Server
from cli.on_server import on_server
from cli.options.job import JobOptions
from cli.options.shared import AsJson
from cli.output import print_json
from cli.submission.job_request import job_request
from cli.views.outlook import details, outlook
from cli.views.tables import display, facts, make_console, plain

app = typer.Typer(rich_markup_mode=None)

ANY_COMMAND = ("true",)
Command = Annotated[
    list[str] | None, typer.Argument(metavar="[-- COMMAND...]", show_default=False, help="What would run; if you know.")
]


@app.command(context_settings={"allow_interspersed_args": False})
@on_server
def quote(server: Server, its: JobOptions, command: Command = None, *, as_json: AsJson = False) -> None:
    """Say when a job would start, without submitting it.

    Example: trainyard quote --gpus 4 --time 2h
    """
    request = job_request(command or ANY_COMMAND, its, environ=os.environ, now=datetime.now(UTC))
    answer = server.create("jobs/quote", request)[0]
    if as_json:
        print_json(answer)
        return
    console = make_console()
    cost = answer.get("estimated_cost")
    known = [*outlook(answer, server.now), ("cost", "" if cost is None else plain(cost))]
    display(console, facts(known), *details(console, answer, server.now))
