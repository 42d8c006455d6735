"""`trainyard submit`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.on_server import on_server
from cli.options.code import MayStandAlone, Sync, inside, synced
from cli.options.job import JobOptions
from cli.options.shared import AsJson
from cli.output import note, print_json
from cli.submission import virtual_environment
from cli.submission.job_request import job_request
from cli.views.aftermath import require_success
from cli.views.follow import follow_to_the_end

app = typer.Typer(rich_markup_mode=None)

Command = Annotated[list[str], typer.Argument(metavar="-- COMMAND...", show_default=False, help="What to run.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Stay until it is over; exit code 1 unless it completed.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Like --wait, and print what the job writes.")]


# What follows the first word that is no option of ours belongs to the command: `--` is welcome, not needed.
@app.command(cls=MayStandAlone, context_settings={"allow_interspersed_args": False})
@on_server
def submit(
    server: Server,
    command: Command,
    its: JobOptions,
    *,
    sync: Sync = None,
    wait: Wait = False,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Submit a training job.

    Example: trainyard submit --gpus 1 --time 2h --sync -- python train.py --lr 0.1
    """
    request = job_request(command, its, environ=os.environ, now=datetime.now(UTC))
    if sync is not None:
        request["working_dir"] = inside(sync, its.working_dir, Path.cwd())
        request["snapshot"] = synced(server, sync, project=its.project, environ=os.environ)["id"]
    if hint := virtual_environment.hint(command, request.get("env", {}), os.environ):
        note(hint)
    job, new = server.create("jobs", request)
    stay = wait or follow
    if not as_json:
        announce(job, new=new, stay=stay)
    if stay:
        job = stay_with(server, job, with_logs=follow)
    if as_json:
        print_json(job)
    if stay:
        require_success(server, [job], with_logs=not follow)


def stay_with(server: Server, job: Row, *, with_logs: bool) -> Row:
    """The job as it ended; the user may leave before."""
    try:
        return follow_to_the_end(server, job, with_logs=with_logs)
    except KeyboardInterrupt:
        note(f"job {job['id']} goes on; to stop it: trainyard cancel {job['id']}")
        raise


def announce(job: Row, *, new: bool, stay: bool) -> None:
    """Say which job it is, and what to type next."""
    print(f"job {job['id']} submitted" if new else f"job {job['id']} has this key already, and is {job['state']}")
    if not stay:
        note(f"see it: trainyard show {job['id']}; read what it writes: trainyard logs -f {job['id']}")
