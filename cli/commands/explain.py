"""`trainyard explain`."""

from typing import Annotated

import typer

from cli.client.requests import Server
from cli.on_server import on_server
from cli.options.shared import AsJson, JobId
from cli.output import print_json
from cli.views.outlook import details, history, outlook, turn
from cli.views.placement import placement
from cli.views.tables import coloured_state, display, facts, make_console

app = typer.Typer(rich_markup_mode=None)


@app.command()
@on_server
def explain(
    server: Server,
    job_id: JobId,
    *,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Why which node: the best ones, and what speaks for them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say why a job waits and until when, and what would start it now.

    Of a job that runs or is over: how it came to run where it did.
    """
    answer = server.get(f"jobs/{job_id}/explain")
    if as_json:
        print_json(answer)
        return
    console = make_console()
    if nodes:
        display(console, *placement(console, answer))
        return
    state = ("state", coloured_state(answer["state"]))
    if answer["state"] == "pending":
        known, tried_before = facts([state, *outlook(answer, server.now)]), len(answer.get("history") or []) > 1
        told = details(console, answer, server.now)
        display(console, known, *told, *(history(console, answer) if tried_before else []))
    else:
        display(console, facts([state, turn(answer)]), *history(console, answer))
