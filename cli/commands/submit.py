"""`trainyard submit`."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options.code import MayStandAlone, Sync, code_of
from cli.options.job import JobOptions
from cli.options.shared import AsJson
from cli.options.sweep import SweepOptions
from cli.output import note, print_json, visible
from cli.submission import virtual_environment
from cli.submission.job_request import job_request
from cli.submission.sweeps import Many, batch_of, many
from cli.views.aftermath import require_all, require_success
from cli.views.follow import follow_to_the_end, wait_for_workload

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
    of_many: SweepOptions,
    *,
    sync: Sync = None,
    wait: Wait = False,
    follow: Follow = False,
    as_json: AsJson = False,
) -> None:
    """Submit a training job, or with --sweep or --array one for each value.

    Example: trainyard submit --gpus 1 --time 2h --sync -- python train.py --lr 0.1

    Example: trainyard submit --sweep lr=0.1,0.01 --sweep width=16,64 --max-running 2 -- python train.py
    """
    wanted = many(of_many)
    if wanted is not None and follow:
        raise UsageError("--follow prints what one job writes: use --wait, and trainyard logs -f ID.")
    request = job_request(command, its, environ=os.environ, now=datetime.now(UTC))
    if sync is not None:
        request |= code_of(server, sync, its, environ=os.environ, here=Path.cwd())
    if not its.environment and (hint := virtual_environment.hint(command, request.get("env", {}), os.environ)):
        note(hint)
    if wanted is not None:
        submit_many(server, request, wanted, stop_on_failure=of_many.stop_on_failure, wait=wait, as_json=as_json)
    else:
        submit_one(server, request, stay=wait or follow, with_logs=follow, as_json=as_json)


def submit_one(server: Server, request: Row, *, stay: bool, with_logs: bool, as_json: bool) -> None:
    """One job; with `stay` until it is over, `with_logs` printing what it writes."""
    job, new = server.create("jobs", request)
    if not as_json:
        announce(job, new=new, stay=stay)
    if stay:
        job = stay_with(server, job, with_logs=with_logs)
    if as_json:
        print_json(job)
    if stay:
        require_success(server, [job], with_logs=not with_logs)


def submit_many(
    server: Server, request: Row, wanted: Many, *, stop_on_failure: bool, wait: bool, as_json: bool
) -> None:
    """All of them as one workload, or none; with `wait` until all are over."""
    body = batch_of(request, wanted, stop_on_failure=stop_on_failure, now=datetime.now(UTC))
    answer = server.post("jobs/batch", body)
    workload = body["workload"]["name"]
    if as_json:
        print_json(answer)
    else:
        ids = [job["id"] for job in answer["jobs"]]
        print(f"workload {visible(workload)}: {answer['count']} jobs submitted, {ids[0]} to {ids[-1]}")
        note(f"see them: trainyard workloads show {workload} --best METRIC; trainyard list --workload {workload}")
    if wait:
        (found,) = server.rows("workloads", name=workload, project=request["project"])
        require_all(wait_for_workload(server, found))


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
