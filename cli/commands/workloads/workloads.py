"""`trainyard workloads`, and what is asked of one: show, create, set, start, pause, resume, cancel, wait, retry-failed, rm."""

from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.errors import RefusedError, UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import find_named, refuse_unknown_names
from cli.options.shared import DEFAULT_PROJECT, AsJson, ProjectName
from cli.options.workload import Description, Held, MaxRunning, StopOnFailure, WorkloadChange
from cli.output import note, print_json, visible
from cli.submission.job_request import without_gaps
from cli.views.aftermath import require_all
from cli.views.follow import wait_for_workload
from cli.views.tables import display, make_console
from cli.views.workloads import outcome, statistics_parts, workload_facts, workloads_table

app = typer.Typer(rich_markup_mode=None)
workloads_app = typer.Typer(rich_markup_mode=None)
app.add_typer(workloads_app, name="workloads")

NewName = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="What it is called.")]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", show_default=False, help="Its name, or its number.", autocompletion=completing.workloads
    ),
]
Within = Annotated[
    str | None,
    typer.Option(
        "--project", "-p", metavar="NAME", help="Where it is, if several have its name.",
        autocompletion=completing.projects,
    ),
]  # fmt: skip
Mine = Annotated[bool, typer.Option("--mine", help="Only those that I made.")]
Metric = Annotated[
    str | None, typer.Option("--best", metavar="METRIC", help="Its jobs with the highest last value of this metric.")
]
Lowest = Annotated[bool, typer.Option("--lowest", help="With --best: those with the lowest value.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether that is meant.")]


@workloads_app.callback(invoke_without_command=True)
@on_server
def workloads(server: Server, *, project: Within = None, mine: Mine = False, as_json: AsJson = False) -> None:
    """List the workloads, newest first; make, start, pause, resume and cancel them with all of their jobs."""
    rows = server.rows("workloads", **without_gaps({"project": project, "owner": "me" if mine else None}))
    if not rows:
        refuse_unknown_names(server, project=project)
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no workloads yet: a job makes one with `trainyard submit --workload NAME -- COMMAND`")
        return
    console = make_console()
    display(console, workloads_table(console, rows, server.now))


@workloads_app.command()
@on_server
def show(
    server: Server,
    name: Name,
    *,
    project: Within = None,
    best: Metric = None,
    lowest: Lowest = False,
    as_json: AsJson = False,
) -> None:
    """Show how a workload stands: its jobs by state, its progress and end, waits and run times, costs, the first failure.

    Its jobs: trainyard list --workload NAME
    """
    found = find_named(server, "workload", name, project)
    goal = {"metric": best, "goal": "min" if lowest else "max"} if best else {}
    told = server.get(f"workloads/{found['id']}/statistics", **goal)
    if as_json:
        print_json({**found, "statistics": told})
        return
    console = make_console()
    display(console, workload_facts(found, server.now), *statistics_parts(console, told, best))


@workloads_app.command()
@on_server
def create(
    server: Server,
    name: NewName,
    project: ProjectName = DEFAULT_PROJECT,
    *,
    held: Held = False,
    max_running: MaxRunning = None,
    stop_on_failure: StopOnFailure = False,
    description: Description = None,
    as_json: AsJson = False,
) -> None:
    """Make a workload without jobs.

    Example: trainyard workloads create sweep-7 --held --max-running 4
    """
    its = {"held": held or None, "max_running": max_running, "stop_on_failure": stop_on_failure or None}
    body = without_gaps({"name": name, "project": project, "description": description, **its})
    tell(server.post("workloads", body), "create", as_json=as_json)


@workloads_app.command("set")
@on_server
def set_(server: Server, name: Name, its: WorkloadChange, *, project: Within = None, as_json: AsJson = False) -> None:
    """Change a workload: how many run at once, whether it stops at a failure, the priority of all that wait.

    Example: trainyard workloads set sweep-7 --max-running 8 --priority background
    """
    body = its.body()
    if not body:
        raise UsageError("say what to set: see trainyard workloads set --help.")
    found = find_named(server, "workload", name, project)
    tell(server.patch(f"workloads/{found['id']}", body), "set", as_json=as_json)


@workloads_app.command()
@on_server
def start(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Start a workload that was made held."""
    ask(server, name, project, "start", as_json=as_json)


@workloads_app.command()
@on_server
def pause(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Pause a workload: what runs saves its work and leaves, nothing of it starts, jobs that come later wait too."""
    ask(server, name, project, "pause", as_json=as_json)


@workloads_app.command()
@on_server
def resume(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Have a paused workload go on, with all of its jobs that are paused."""
    ask(server, name, project, "resume", as_json=as_json)


@workloads_app.command()
@on_server
def cancel(server: Server, name: Name, *, project: Within = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Cancel all of its jobs that have not ended; it takes no new ones. Nothing takes that back."""
    found = find_named(server, "workload", name, project)
    left = found["jobs"] - found["done"]
    if left and not yes:
        confirm(
            f"cancel workload {visible(found['name'])} with {left} job{'' if left == 1 else 's'} that have not ended?"
        )
    tell(server.post(f"workloads/{found['id']}/cancel"), "cancel", as_json=as_json)


@workloads_app.command()
@on_server
def wait(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Stay until all of its jobs have ended: exit code 1 unless all completed."""
    found = wait_for_workload(server, find_named(server, "workload", name, project))
    print_json(found) if as_json else print(outcome(found, "wait"))
    require_all(found)


@workloads_app.command("retry-failed")
@on_server
def retry_failed(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Put its failed jobs back in line, and those that were cancelled because another job of it failed."""
    ask(server, name, project, "retry-failed", as_json=as_json)


@workloads_app.command()
@on_server
def rm(server: Server, name: Name, *, project: Within = None, as_json: AsJson = False) -> None:
    """Forget a workload whose jobs have all ended; they stay."""
    found = find_named(server, "workload", name, project)
    server.delete(f"workloads/{found['id']}")
    print_json([found["name"]]) if as_json else print(f"workload {visible(found['name'])} is gone, its jobs are not")


def ask(server: Server, name: str, project: str | None, verb: str, *, as_json: bool) -> None:
    found = find_named(server, "workload", name, project)
    tell(server.post(f"workloads/{found['id']}/{verb}"), verb, as_json=as_json)


def confirm(question: str) -> None:
    """Raises when the user says no, or cannot be asked."""
    if not typer.get_text_stream("stdin").isatty():
        raise UsageError(f"{question} There is nobody to ask: add --yes if that is meant.")
    if not typer.confirm(question, err=True):
        raise RefusedError("nothing was cancelled")


def tell(workload: Row, verb: str, *, as_json: bool) -> None:
    print_json(workload) if as_json else print(outcome(workload, verb))
