"""`trainyard logs`."""

from typing import Annotated

import typer

from cli.client.log_stream import Log
from cli.client.requests import Row, Server
from cli.on_server import on_server
from cli.options.shared import AsJson, JobId
from cli.output import note, print_json
from cli.views.follow import print_logs

app = typer.Typer(rich_markup_mode=None)

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Stay until the job is over, and print what comes.")]
AttemptNumber = Annotated[
    int | None, typer.Option("--attempt", metavar="N", min=1, help="Of this attempt; else of the last one.")
]

Rank = Annotated[
    int | None,
    typer.Option("--rank", metavar="N", min=0, help="Of this member of a job over several nodes; else of 0."),
]

Tail = Annotated[
    int | None,
    typer.Option("--tail", "-n", metavar="N", min=0, help="Only the last N lines, and what comes after them."),
]


@app.command()
@on_server
def logs(
    server: Server,
    job_id: JobId,
    attempt: AttemptNumber = None,
    rank: Rank = None,
    tail: Tail = None,
    *,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Print what a job has written."""
    log = Log(server, job_id, attempt, rank)
    if follow and attempt is None:
        print_logs(server, job_id, rank, tail)
        return
    if tail is not None:
        log.skip_to_last(tail)
    if follow:
        log.print_to_the_end()
    elif as_json:
        print_json(whole(log))
    else:
        log.print_all()
        if not log.offset:
            note(f"job {job_id} has written nothing yet")


def whole(log: Log) -> Row:
    """From where the log stands to its end as one piece."""
    pieces = list(log.pieces())
    return {**pieces[-1], "offset": pieces[0]["offset"], "text": "".join(piece["text"] for piece in pieces)}
