"""`trainyard cancel` and `trainyard requeue`."""

import typer

from cli.client import Row, Server
from cli.errors import RefusedError
from cli.on_server import on_server
from cli.options import AsJson, JobIds
from cli.output import print_json

app = typer.Typer(rich_markup_mode=None)


@app.command()
@on_server
def cancel(server: Server, job_ids: JobIds, *, as_json: AsJson = False) -> None:
    """Cancel jobs.

    A job that runs is stopped, after a moment to write its checkpoint.
    """
    ask_each(server, job_ids, "cancel", as_json=as_json)


@app.command()
@on_server
def requeue(server: Server, job_ids: JobIds, *, as_json: AsJson = False) -> None:
    """Run jobs again that are over."""
    ask_each(server, job_ids, "requeue", as_json=as_json)


def ask_each(server: Server, job_ids: list[int], action: str, *, as_json: bool) -> None:
    """Ask it of every job; those that refuse do not keep it from the others, and are named at the end."""
    refusals: list[str] = []
    answers: list[Row] = []
    for job_id in job_ids:
        try:
            answers.append(server.post(f"jobs/{job_id}/{action}"))
        except RefusedError as error:
            refusals += [f"job {job_id}: {line}" for line in error.lines]
    if as_json:
        print_json(answers)
    else:
        for job in answers:
            print(f"job {job['id']} {outcome(job, action)}")
    if refusals:
        raise RefusedError(*refusals)


def outcome(job: Row, action: str) -> str:
    """What became of it; a job that runs is stopped by its node, which takes a moment."""
    if action == "cancel" and job["state"] != "cancelled":
        return f"is {job['state']} and will be stopped"
    return f"is {job['state']}"
