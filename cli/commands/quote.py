"""`trainyard quote`."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.on_server import on_server
from cli.options.job import JobOptions
from cli.options.shared import AsJson
from cli.output import print_json
from cli.submission.job_request import job_request
from cli.views.budgets import spell_runs
from cli.views.outlook import details, outlook
from cli.views.tables import display, facts, make_console, plain

app = typer.Typer(rich_markup_mode=None)

ANY_COMMAND = ("true",)
Command = Annotated[
    list[str] | None, typer.Argument(metavar="[-- COMMAND...]", show_default=False, help="What would run; if you know.")
]

Count = Annotated[int | None, typer.Option(metavar="N", help="So many runs of it.")]
AtMost = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Whether all of them cost no more, such as 0.20.")]


@app.command(context_settings={"allow_interspersed_args": False})
@on_server
def quote(
    server: Server,
    its: JobOptions,
    command: Command = None,
    *,
    count: Count = None,
    at_most: AtMost = None,
    as_json: AsJson = False,
) -> None:
    """Say when a job would start and what it would cost, without submitting it.

    With --at-most the exit code is 1 where it may cost more.

    Example: trainyard quote --gpus 4 --time 2h --count 5 --at-most 0.20
    """
    request = job_request(command or ANY_COMMAND, its, environ=os.environ, now=datetime.now(UTC))
    asked = {name: value for name, value in (("count", count), ("at_most", at_most)) if value is not None}
    answer = server.create("jobs/quote", request | asked)[0]
    show_quote(server, answer) if not as_json else print_json(answer)
    if (answer.get("runs") or {}).get("within_at_most") is False:
        raise typer.Exit(1)


def show_quote(server: Server, answer: Row) -> None:
    console = make_console()
    cost = answer.get("estimated_cost")
    known = [
        *outlook(answer, server.now),
        ("cost", "" if cost is None else plain(cost)),
        *spell_runs(answer.get("runs")),
    ]
    display(console, facts(known), *details(console, answer, server.now))
