"""`trainyard wait`."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.durations import parse_duration
from cli.on_server import on_server
from cli.options.shared import AsJson, JobIds
from cli.options.values import understand
from cli.output import print_json
from cli.views.aftermath import require_success
from cli.views.follow import wait_for
from cli.views.jobs import is_over

app = typer.Typer(rich_markup_mode=None)


class Until(StrEnum):
    OVER = "over"
    RUNNING = "running"


For = Annotated[Until, typer.Option("--for", help="Until they are over, or only until they run.")]
Timeout = Annotated[
    str | None, typer.Option("--timeout", metavar="TIME", help="Give up after this (30m, 2h): exit code 1.")
]


@app.command()
@on_server
def wait(
    server: Server, job_ids: JobIds, *, until: For = Until.OVER, timeout: Timeout = None, as_json: AsJson = False
) -> None:
    """Stay until jobs are over.

    Exit code 0 if all of them completed, 1 if not: then with the end of their logs.
    """
    seconds = None if timeout is None else understand(parse_duration, "--timeout", timeout)
    jobs = wait_for(server, job_ids, arrived_at(until), seconds=seconds)
    if as_json:
        print_json(jobs)
    else:
        for job in jobs:
            if job["state"] in ("completed", "running"):
                print(f"job {job['id']} {job['state']}")
    require_success(server, [job for job in jobs if is_over(job)])


def arrived_at(until: Until) -> Callable[[Row], bool]:
    return is_over if until == Until.OVER else lambda job: job["state"] == "running"
