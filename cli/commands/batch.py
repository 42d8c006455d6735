"""`trainyard batch`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli.client.requests import Server
from cli.errors import RefusedError, UsageError
from cli.on_server import on_server
from cli.options.shared import DEFAULT_PROJECT, AsJson, ProjectName
from cli.options.workload import Held, MaxRunning, StopOnFailure, WorkloadName
from cli.output import note, print_json, visible
from cli.submission.batch_file import BatchFile, read_batch
from cli.submission.job_request import without_gaps

app = typer.Typer(rich_markup_mode=None)

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", show_default=False, help="JSON, JSON lines, TOML or YAML; - reads standard input."),
]


@app.command()
@on_server
def batch(
    server: Server,
    file: File,
    project: ProjectName = DEFAULT_PROJECT,
    *,
    workload: WorkloadName = None,
    held: Held = False,
    max_running: MaxRunning = None,
    stop_on_failure: StopOnFailure = False,
    as_json: AsJson = False,
) -> None:
    """Submit the jobs of a file: all of them or none.

    The file holds a list of jobs, or {"defaults": {...}, "jobs": [...]}; a job has the fields of POST /jobs. Where a
    job and the defaults say nothing, the project is that of --project, and the command starts in this folder.
    With a "sweep" ({"lr": [0.1, 0.01]}) or an "array" ("0-99%10") in place of jobs, the command of the defaults runs once
    for each. With --workload, or "workload" in the file, they are one workload, which is made if it is not there.
    """
    wanted = read_batch(file, project=project, folder=Path.cwd())
    terms = without_gaps({"held": held or None, "max_running": max_running, "stop_on_failure": stop_on_failure or None})
    if terms and not workload:
        raise UsageError(f"--{next(iter(terms)).replace('_', '-')} is of a workload: name it with --workload.")
    if workload:
        wanted = replace(wanted, workload={"name": workload, **terms})
    try:
        answer = server.post("jobs/batch", wanted.body)
    except RefusedError as refusal:
        raise named(refusal, wanted) from refusal
    if as_json:
        print_json(answer)
        return
    for job in answer["jobs"]:
        print(f"job {job['id']} {visible(job['name'])}")
    name = wanted.workload_name
    note(f"{answer['count']} jobs submitted; see them: trainyard {f'workloads show {name}' if name else 'list'}")


def named(refusal: RefusedError, wanted: BatchFile) -> RefusedError:
    """The same refusal, with the jobs called as their author calls them."""
    return RefusedError(fields=[(wanted.name_field(field), message) for field, message in refusal.fields])
