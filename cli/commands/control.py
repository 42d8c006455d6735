"""What is asked of jobs that exist: cancel, requeue, pause, resume, hold, release."""

from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server
from cli.errors import RefusedError
from cli.on_server import on_server
from cli.options import completing
from cli.options.choosing import Chosen, Words, ask_many, report, selection
from cli.options.shared import AsJson
from cli.output import print_json
from cli.submission.job_request import without_gaps
from cli.views.jobs import spell_state

app = typer.Typer(rich_markup_mode=None)
ONE_BY_ONE = 20
"""Of more jobs nobody reads a line for each."""
WORDS = {
    "cancel": Words("cancel", "cancelled", "cancel"),
    "requeue": Words("requeue", "requeued", "requeue"),
    "pause": Words("pause", "paused", "pause"),
    "resume": Words("resume", "resumed", "resume"),
    "hold": Words("hold", "held", "hold"),
    "release": Words("release", "released", "release"),
}
SomeIds = Annotated[
    list[int] | None,
    typer.Argument(metavar="[ID...]", show_default=False, help="The jobs' numbers.", autocompletion=completing.job_ids),
]
Suspend = Annotated[bool, typer.Option("--suspend", help="Stand still and keep what they hold.")]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, for those who wonder; stands in the job's history.")
]


@app.command()
@on_server
def cancel(
    server: Server, chosen: Chosen, job_ids: SomeIds = None, *, reason: Reason = None, as_json: AsJson = False
) -> None:
    """Cancel jobs.

    Those with these numbers, or those that match; of those that match it asks first. Example: trainyard cancel --state pending --queue batch --name 'sweep-*'. A job that runs is stopped, after a moment to write its checkpoint.
    """
    ask(server, "cancel", job_ids, chosen, without_gaps({"reason": reason}), as_json=as_json)


@app.command()
@on_server
def requeue(
    server: Server, chosen: Chosen, job_ids: SomeIds = None, *, reason: Reason = None, as_json: AsJson = False
) -> None:
    """Run jobs again that are over or paused, or that run."""
    ask(server, "requeue", job_ids, chosen, without_gaps({"reason": reason}), as_json=as_json)


@app.command()
@on_server
def pause(
    server: Server,
    chosen: Chosen,
    job_ids: SomeIds = None,
    *,
    suspend: Suspend = False,
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """Pause jobs until they are resumed.

    A job that runs is stopped, after a moment to write its checkpoint, and gives back what it holds. With --suspend it
    stands still where it is, and keeps it.
    """
    body = without_gaps({"suspend": suspend, "reason": reason})
    ask(server, "pause", job_ids, chosen, body, as_json=as_json)


@app.command()
@on_server
def resume(server: Server, chosen: Chosen, job_ids: SomeIds = None, *, as_json: AsJson = False) -> None:
    """Let paused jobs wait in line again, and suspended ones go on."""
    ask(server, "resume", job_ids, chosen, {}, as_json=as_json)


@app.command()
@on_server
def hold(
    server: Server, chosen: Chosen, job_ids: SomeIds = None, *, reason: Reason = None, as_json: AsJson = False
) -> None:
    """Keep waiting jobs from starting until they are released."""
    ask(server, "hold", job_ids, chosen, without_gaps({"reason": reason}), as_json=as_json)


@app.command()
@on_server
def release(server: Server, chosen: Chosen, job_ids: SomeIds = None, *, as_json: AsJson = False) -> None:
    """Let held jobs start again when their turn comes."""
    ask(server, "release", job_ids, chosen, {}, as_json=as_json)


def ask(
    server: Server, verb: str, job_ids: list[int] | None, chosen: Chosen, body: dict[str, Any], *, as_json: bool
) -> None:
    """Ask it of some jobs one by one, and of many at once."""
    which = selection(job_ids, chosen)
    if job_ids and len(job_ids) <= ONE_BY_ONE and not chosen.dry_run:
        ask_each(server, job_ids, verb, body or None, as_json=as_json)
    else:
        report(ask_many(server, f"jobs/{verb}", which, chosen, body, WORDS[verb]), WORDS[verb], as_json=as_json)


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
