"""`trainyard show`."""

import typer

from cli.client.requests import Server
from cli.on_server import on_server
from cli.options.shared import AsJson, JobId
from cli.output import print_json
from cli.views.job_page import job_page
from cli.views.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)


@app.command()
@on_server
def show(server: Server, job_id: JobId, *, as_json: AsJson = False) -> None:
    """Show everything about a job.

    Its state, why it waits, what it asked for, its attempts, and what happened last.
    """
    job = server.get(f"jobs/{job_id}")
    attempts = server.rows(f"jobs/{job_id}/attempts")
    events = server.rows(f"jobs/{job_id}/events")
    if as_json:
        print_json({**job, "attempts": attempts, "events": events})
        return
    console = make_console()
    display(console, *job_page(console, job, attempts, events, server.now))
