"""`trainyard status`."""

import time
from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.on_server import on_server
from cli.options.shared import AsJson, JobIds
from cli.output import print_json, visible
from cli.views.aftermath import require_success
from cli.views.follow import wait_for
from cli.views.jobs import is_over, spell_end
from trainyard.job_words import describe

app = typer.Typer(rich_markup_mode=None)
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Stay until they are over, and say what changes.")]


@app.command()
@on_server
def status(server: Server, job_ids: JobIds, *, follow: Follow = False, as_json: AsJson = False) -> None:
    """Say in a line each how jobs are doing, and with --follow what changes.

    With --follow the exit code is 0 if all of them completed, 1 if not.
    """
    if not follow:
        jobs = [server.get(f"jobs/{job_id}") for job_id in job_ids]
        show(jobs, as_json=as_json)
        return
    changes = Changes(silent=as_json)
    jobs = wait_for(server, job_ids, is_over, on_poll=changes.announce)
    if as_json:
        print_json(jobs)
    require_success(server, jobs)


def show(jobs: list[Row], *, as_json: bool) -> None:
    if as_json:
        print_json(jobs)
        return
    for job in jobs:
        print(line(job))


class Changes:
    """Prints each job's line when it is another one than before."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._said: dict[int, str] = {}

    def announce(self, job: Row) -> None:
        said = line(job)
        if self._said.get(job["id"]) != said and not self._silent:
            print(f"{time.strftime('%H:%M:%S')} {said}", flush=True)
        self._said[job["id"]] = said


def line(job: Row) -> str:
    """`job 17 running on n1 (40%)`, `job 18 pending: 2 GPUs are missing.`, `job 19 failed: exit code 3`."""
    end = spell_end(job) if is_over(job) and job["state"] != "completed" else ""
    progress = job.get("progress")
    done = f" ({progress:.0%})" if progress is not None and not is_over(job) else ""
    return visible(f"job {job['id']} {describe(job)}{done}{f': {end}' if end else ''}")
