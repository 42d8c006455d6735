"""`trainyard batch`."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli.client.requests import Server
from cli.errors import RefusedError, UsageError
from cli.on_server import on_server
from cli.options.code import MayStandAlone, Sync, inside, synced
from cli.options.shared import DEFAULT_PROJECT, AsJson, ProjectName
from cli.options.workload import WorkloadOfAll
from cli.output import note, print_json, visible
from cli.submission.batch_file import BatchFile, read_batch
from cli.submission.job_request import without_gaps

app = typer.Typer(rich_markup_mode=None)

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", show_default=False, help="JSON, JSON lines, TOML or YAML; - reads standard input."),
]


@app.command(cls=MayStandAlone)
@on_server
def batch(
    server: Server,
    file: File,
    its: WorkloadOfAll,
    project: ProjectName = DEFAULT_PROJECT,
    *,
    sync: Sync = None,
    as_json: AsJson = False,
) -> None:
    """Submit the jobs of a file: all of them or none.

    The file holds a list of jobs, or {"defaults": {...}, "jobs": [...]}; a job has the fields of POST /jobs. Where a
    job and the defaults say nothing, the project is that of --project, and the command starts in this folder.
    With a "sweep" ({"lr": [0.1, 0.01]}) or an "array" ("0-99%10") in place of jobs, the command of the defaults runs once
    for each. With --sync they share one snapshot of a folder, and start at the same place in their copies of it.
    With --workload, or "workload" in the file, they are one workload, which is made if it is not there.
    """
    folder = str(Path.cwd()) if sync is None else inside(sync, None, Path.cwd())
    wanted = read_batch(file, project=project, folder=folder)
    stop = its.stop_on_failure or None
    terms = without_gaps({"held": its.held or None, "max_running": its.max_running, "stop_on_failure": stop})
    if terms and not its.workload:
        raise UsageError(f"--{next(iter(terms)).replace('_', '-')} is of a workload: name it with --workload.")
    if its.workload:
        wanted = replace(wanted, workload={"name": its.workload, **terms})
    if sync is not None:
        snapshot = synced(server, sync, project=project_of(wanted), environ=os.environ)
        wanted = replace(wanted, defaults={"snapshot": snapshot["id"], **wanted.defaults})
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


def project_of(wanted: BatchFile) -> str:
    """Whose jobs they are: a snapshot is of one project."""
    default = wanted.defaults["project"]
    projects = {job.get("project", default) for job in wanted.jobs if isinstance(job, dict)} or {default}
    if len(projects) > 1:
        raise UsageError("--sync: the jobs are of several projects; code is brought along for one.")
    [project] = projects
    return str(project)


def named(refusal: RefusedError, wanted: BatchFile) -> RefusedError:
    """The same refusal, with the jobs called as their author calls them."""
    return RefusedError(fields=[(wanted.name_field(field), message) for field, message in refusal.fields])
