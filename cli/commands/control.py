"""What is asked of jobs that exist: cancel, requeue, pause, resume, hold, release."""

from typing import Annotated, Any

import typer

from cli.client import Row, Server
from cli.errors import RefusedError
from cli.jobs import spell_state
from cli.on_server import on_server
from cli.options import AsJson, JobIds
from cli.output import print_json

app = typer.Typer(rich_markup_mode=None)
Suspend = Annotated[bool, typer.Option("--suspend", help="Stand still and keep what they hold.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for those who wonder.")]


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
    """Run jobs again that are over or paused, or that run."""
    ask_each(server, job_ids, "requeue", as_json=as_json)


@app.command()
@on_server
def pause(server: Server, job_ids: JobIds, *, suspend: Suspend = False, as_json: AsJson = False) -> None:
    """Pause jobs until they are resumed.

    A job that runs is stopped, after a moment to write its checkpoint, and gives back what it holds. With --suspend it
    stands still where it is, and keeps it.
    """
    ask_each(server, job_ids, "pause", {"suspend": suspend}, as_json=as_json)


@app.command()
@on_server
def resume(server: Server, job_ids: JobIds, *, as_json: AsJson = False) -> None:
    """Let paused jobs wait in line again, and suspended ones go on."""
    ask_each(server, job_ids, "resume", as_json=as_json)


@app.command()
@on_server
def hold(server: Server, job_ids: JobIds, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Keep waiting jobs from starting until they are released."""
    ask_each(server, job_ids, "hold", {"reason": reason}, as_json=as_json)


@app.command()
@on_server
def release(server: Server, job_ids: JobIds, *, as_json: AsJson = False) -> None:
    """Let held jobs start again when their turn comes."""
    ask_each(server, job_ids, "release", as_json=as_json)


def ask_each(server: Server, job_ids: list[int], action: str, body: Any = None, *, as_json: bool) -> None:
    """Ask it of every job; those that refuse do not keep it from the others, and are named at the end."""
    refusals: list[str] = []
    answers: list[Row] = []
    for job_id in job_ids:
        try:
            answers.append(server.post(f"jobs/{job_id}/{action}", body))
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
    if action == "pause" and job["state"] != "paused" and not job.get("suspended"):
        return f"is {job['state']} and will be paused"
    return f"is {spell_state(job)}"
