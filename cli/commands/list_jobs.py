"""`trainyard list`."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.client import Server
from cli.jobs import jobs_table
from cli.on_server import on_server
from cli.options import AsJson
from cli.output import note, print_json
from cli.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")]
All = Annotated[bool, typer.Option("--all", "-a", help="No limit.")]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which jobs to list; what is left open narrows nothing down."""

    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", metavar="STATE", help="Only in this state. May be repeated.")
    ] = None
    project: Annotated[str | None, typer.Option("--project", "-p", metavar="NAME", help="Only of this project.")] = None
    queue: Annotated[str | None, typer.Option("--queue", "-q", metavar="NAME", help="Only in this queue.")] = None
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", metavar="K=V", help="Only with this label. May be repeated.")
    ] = None
    mine: Annotated[bool, typer.Option("--mine", help="Only those that I submitted.")] = False

    def query(self) -> dict[str, Any]:
        """The filters as the server calls them."""
        return {
            "state": self.state or None,
            "project": self.project,
            "queue": self.queue,
            "label": self.label or None,
            "owner": "me" if self.mine else None,
        }


@app.command("list")
@on_server
def list_jobs(
    server: Server, only: Filters, limit: Limit = 30, *, everything: All = False, as_json: AsJson = False
) -> None:
    """List jobs, newest first."""
    shown = None if everything else limit
    jobs = server.rows("jobs", limit=None if shown is None else shown + 1, **only.query())
    if as_json:
        print_json(jobs[:shown])
        return
    if not jobs:
        narrowed = only != Filters()
        note("no jobs match" if narrowed else "no jobs yet: submit one with `trainyard submit -- COMMAND`")
        return
    console = make_console()
    display(console, jobs_table(console, jobs[:shown], server.now))
    if shown is not None and len(jobs) > shown:
        note(f"the newest {shown}; --all shows all of them")
