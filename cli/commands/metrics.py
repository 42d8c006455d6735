"""`trainyard metrics`."""

from typing import Annotated

import typer
from rich.console import Console

from cli.client.requests import Row, Server
from cli.on_server import on_server
from cli.options.shared import AsJson, JobId
from cli.output import note, print_json
from cli.views.curves import metrics_table, plot
from cli.views.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)

Names = Annotated[
    list[str] | None,
    typer.Option("--name", "-n", metavar="NAME", help="Draw this metric large. May be repeated."),
]
AttemptNumber = Annotated[
    int | None, typer.Option("--attempt", metavar="N", min=1, help="Of this attempt alone; else of all together.")
]
Points = Annotated[
    int | None,
    typer.Option("--points", metavar="N", min=10, max=1000, help="Of each metric at most so many; else 200."),
]


@app.command()
@on_server
def metrics(
    server: Server,
    job_id: JobId,
    name: Names = None,
    attempt: AttemptNumber = None,
    points: Points = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Draw what a job has reported over time.

    A line for each metric, or those named large.
    """
    answer = server.get(f"jobs/{job_id}/metrics", name=name or None, attempt=attempt, points=points)
    if as_json:
        print_json(answer)
        return
    console = make_console()
    unknown = sorted(set(name or []) - set(answer["names"]))
    for one in unknown:
        known = f"; there are: {', '.join(answer['names'])}" if answer["names"] else ""
        note(f"job {job_id} has reported no metric '{one}'{known}")
    if not answer["series"] and not name:
        note(f"job {job_id} has reported no metrics yet")
    draw(console, answer["series"], large=bool(name))
    if answer["refused"]:
        note(f"{answer['refused']} lines or values of its reports could not be used")
    if unknown:
        raise typer.Exit(1)


def draw(console: Console, series: list[Row], *, large: bool) -> None:
    if large:
        for one in series:
            display(console, *plot(console, one))
    elif series:
        display(console, metrics_table(console, series))
