"""`trainyard edit`."""

from typing import Annotated

import typer

from cli.client.requests import Server
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.changes import Changes
from cli.options.shared import AsJson
from cli.output import print_json

app = typer.Typer(rich_markup_mode=None)
JobId = Annotated[
    int, typer.Argument(metavar="ID", show_default=False, help="The job's number.", autocompletion=completing.job_ids)
]
Words = Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]", show_default=False, help="What to run.")]

Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; stands in the job's history.")]


@app.command()
@on_server
def edit(
    server: Server,
    job_id: JobId,
    changes: Changes,
    words: Words = None,
    *,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Change what a waiting job asks for and runs.

    It keeps its number and its place in line. Example: trainyard edit 17 --gpus 2 --time-limit 2h -- python train.py --lr 0.1
    """
    body = changes.body(words or [])
    if not body:
        raise UsageError("say what to change, for example --gpus 2; see trainyard edit --help.")
    job = server.patch(f"jobs/{job_id}", body | ({"reason": reason} if reason else {}))
    if as_json:
        print_json(job)
    else:
        print(f"job {job['id']} changed: {', '.join(sorted(body))}")
