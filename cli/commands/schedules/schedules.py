"""`trainyard schedules`, and what is done with one: create, show, set, pause, resume, run, rm."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.code import MayStandAlone, Sync, code_of
from cli.options.job import JobOptions
from cli.options.known_values import find_named, refuse_unknown_names
from cli.options.shared import AsJson
from cli.options.values import moment
from cli.output import note, print_json, visible
from cli.submission.job_request import job_request, without_gaps
from cli.views.schedules import schedule_facts, schedules_table, spell_next
from cli.views.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)
schedules_app = typer.Typer(rich_markup_mode=None)
app.add_typer(schedules_app, name="schedules")

NEVER = "never"
NewName = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="What it is called.")]
Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Its name, or its number.")]
Command = Annotated[list[str], typer.Argument(metavar="-- COMMAND...", show_default=False, help="What to run.")]
Within = Annotated[
    str | None,
    typer.Option(
        "--project", "-p", metavar="NAME", help="Where it is, if several have its name.",
        autocompletion=completing.projects,
    ),
]  # fmt: skip


class Overlap(StrEnum):
    SKIP = "skip"
    ALLOW = "allow"
    REPLACE = "replace"


class Missed(StrEnum):
    ONCE = "once"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class Times:
    """When it comes; None stays as it is, or as the server has it."""

    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="LINE", help='Minute, hour, day, month, weekday: "30 2 * * MON-FRI".'),
    ] = None
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", metavar="ZONE", help="In which that is meant: Europe/Berlin; else UTC.")
    ] = None
    overlap: Annotated[
        Overlap | None,
        typer.Option(
            "--overlap", help="While its last job has not ended: no other one, another one, or that in its place."
        ),
    ] = None
    missed: Annotated[
        Missed | None,
        typer.Option("--missed", help="Of moments at which the platform was away: one job for all, or none."),
    ] = None
    ends: Annotated[
        str | None,
        typer.Option("--ends", metavar="MOMENT", help="None after this: +30d, or 2030-05-01T18:00; never: no end."),
    ] = None

    def body(self) -> dict[str, Any]:
        said = {"cron": self.cron, "time_zone": self.time_zone, "overlap": self.overlap, "missed": self.missed}
        body: dict[str, Any] = {name: str(value) for name, value in said.items() if value is not None}
        return (
            body
            if self.ends is None
            else body | {"ends_at": None if self.ends == NEVER else moment("--ends", self.ends)}
        )


@schedules_app.callback(invoke_without_command=True)
@on_server
def schedules(server: Server, *, project: Within = None, as_json: AsJson = False) -> None:
    """List jobs that are submitted at certain times; make, change, pause, run and forget them."""
    rows = server.rows("schedules", **without_gaps({"project": project}))
    if not rows:
        refuse_unknown_names(server, project=project)
    if as_json:
        print_json(rows)
        return
    if not rows:
        note('no schedules yet: trainyard schedules create nightly --cron "0 2 * * *" -- COMMAND')
        return
    console = make_console()
    display(console, schedules_table(console, rows, server.now))


@schedules_app.command(cls=MayStandAlone)
@on_server
def create(
    server: Server,
    schedule: NewName,
    command: Command,
    times: Times,
    its: JobOptions,
    *,
    sync: Sync = None,
    as_json: AsJson = False,
) -> None:
    """Have a job submitted at certain times, in your name.

    Example: trainyard schedules create nightly --cron "0 2 * * *" --time-zone Europe/Berlin --gpus 1 --sync -- python train.py
    """
    if times.cron is None:
        raise UsageError('--cron: say when, for example --cron "0 2 * * *".')
    job = job_request(command, its, environ=os.environ, now=datetime.now(UTC))
    if sync is not None:
        job |= code_of(server, sync, its, environ=os.environ, here=Path.cwd())
    tell(server, server.post("schedules", {"name": schedule, "job": job, **times.body()}), as_json=as_json)


@schedules_app.command()
@on_server
def show(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Show a schedule: what it submits, when next, and what came of its last moment."""
    row = find_named(server, "schedule", name, project)
    print_json(row) if as_json else display(make_console(), schedule_facts(row, server.now))


@schedules_app.command("set")
@on_server
def set_(server: Server, name: Name, times: Times, *, project: Within = None, as_json: AsJson = False) -> None:
    """Change when a schedule comes, and by which rules."""
    body = times.body()
    if not body:
        raise UsageError("say what to set: see trainyard schedules set --help.")
    patch(server, name, project, body, as_json=as_json)


@schedules_app.command()
@on_server
def pause(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Have it submit nothing until it is resumed; what it has submitted goes on."""
    patch(server, name, project, {"paused": True}, as_json=as_json)


@schedules_app.command()
@on_server
def resume(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Have it go on with its next moment."""
    patch(server, name, project, {"paused": False}, as_json=as_json)


@schedules_app.command()
@on_server
def run(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Submit its job now, whatever its times and rules say."""
    found = find_named(server, "schedule", name, project)
    job = server.post(f"schedules/{found['id']}/run")
    print_json(job) if as_json else print(f"job {job['id']} submitted")


@schedules_app.command()
@on_server
def rm(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Forget a schedule; its jobs stay."""
    found = find_named(server, "schedule", name, project)
    server.delete(f"schedules/{found['id']}")
    print_json([found["name"]]) if as_json else print(f"schedule {visible(found['name'])} is gone, its jobs are not")


def patch(server: Server, name: str, project: str | None, body: Row, *, as_json: bool) -> None:
    found = find_named(server, "schedule", name, project)
    tell(server, server.patch(f"schedules/{found['id']}", body), as_json=as_json)


def tell(server: Server, row: Row, *, as_json: bool) -> None:
    if as_json:
        print_json(row)
        return
    when = "is paused" if row["paused"] else f"submits its next job {spell_next(row, server.now)}"
    print(f"schedule {visible(row['name'])} {when}")
