"""`trainyard list`."""

from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server
from cli.on_server import on_server
from cli.options import completing
from cli.options.job_filters import JobFilters
from cli.options.known_values import refuse_unknown_names
from cli.options.shared import AsJson
from cli.output import note, print_json
from cli.views.job_lists import BY_SERVER, MOST_SORTED, checked_order, chosen_columns, in_order
from cli.views.tables import display, make_console, make_table

app = typer.Typer(rich_markup_mode=None)
ORDERS = completing.words("id", "-id", "priority", "-priority", "name", "state", "created", "started", "waited", "ran")

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")]
All = Annotated[bool, typer.Option("--all", "-a", help="No limit.")]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="WORD",
        help="id, priority, name, state, created, started, finished, waited, ran and others; -WORD turns it round.",
        autocompletion=ORDERS,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="A,B,C", help="These columns, such as id,name,state,owner,labels,exit."),
]


@app.command("list")
@on_server
def list_jobs(
    server: Server,
    only: JobFilters,
    limit: Limit = 30,
    *,
    everything: All = False,
    sort: Sort = None,
    columns: Columns = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    order = checked_order(sort or "-id")
    shown = None if everything else limit
    chosen_columns(columns, server.now)
    jobs = fetch(server, only.conditions(), order, shown)
    if not jobs:
        refuse_unknown_names(server, project=only.project, queue=only.queue, node=only.node, workload=only.workload)
    if as_json:
        print_json(jobs[:shown])
        return
    if not jobs:
        narrowed = only != JobFilters()
        note("no jobs match" if narrowed else "no jobs yet: submit one with `trainyard submit -- COMMAND`")
        return
    console = make_console()
    display(console, make_table(console, chosen_columns(columns, server.now), jobs[:shown]))
    if shown is not None and len(jobs) > shown:
        note(f"the {'newest' if order == '-id' else 'first'} {shown}; --all shows all of them")


def fetch(server: Server, query: dict[str, Any], order: str, shown: int | None) -> list[Row]:
    """The jobs in that order, one more than are shown where there are more."""
    most = None if shown is None else shown + 1
    if order.removeprefix("-") in BY_SERVER:
        return server.rows("jobs", limit=most, ordering=order, **query)
    jobs = server.rows("jobs", limit=MOST_SORTED, **query)
    if len(jobs) == MOST_SORTED:
        note(f"only the newest {MOST_SORTED} jobs are put in this order: narrow the list down for others")
    return in_order(jobs, order, server.now)[:most]
