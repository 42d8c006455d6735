"""`trainyard clone`."""

from typing import Annotated, Any

import typer

from cli.client.requests import Server
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.changes import Changes
from cli.options.known_values import refuse_unknown_names
from cli.options.shared import AsJson
from cli.output import note, print_json, visible

app = typer.Typer(rich_markup_mode=None)
JobId = Annotated[
    int | None,
    typer.Argument(metavar="[ID]", show_default=False, help="The job's number.", autocompletion=completing.job_ids),
]
Words = Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND...]", show_default=False, help="What to run.")]
Project = Annotated[
    str | None, typer.Option("--project", "-p", metavar="NAME", help="Into this project; else its own.")
]
Whole = Annotated[
    str | None,
    typer.Option("--workload", metavar="NAME", help="All jobs of this workload.", autocompletion=completing.workloads),
]
NewName = Annotated[str | None, typer.Option("--as", metavar="NAME", help="The name of the new workload.")]


@app.command()
@on_server
def clone(
    server: Server,
    changes: Changes,
    job_id: JobId = None,
    words: Words = None,
    *,
    project: Project = None,
    workload: Whole = None,
    new_name: NewName = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job again, or all jobs of a workload, with changes.

    The new one is yours, and depends on nothing. Example: trainyard clone 17 --gpus 2 -- python train.py --lr 0.1

    Example: trainyard clone --workload sweep-7 --as sweep-8 --time-limit 4h
    """
    if (job_id is None) == (workload is None):
        raise UsageError("say what to clone: the number of a job, or --workload NAME --as NEW.")
    body = changes.body(words or []) | ({"project": project} if project else {})
    if workload is not None:
        clone_workload(server, workload, new_name, body, as_json=as_json)
        return
    if new_name:
        raise UsageError("--as names a new workload: of a job write --name.")
    job, _ = server.create(f"jobs/{job_id}/clone", body)
    if as_json:
        print_json(job)
    else:
        print(f"job {job['id']} submitted, a clone of job {job_id}")


def clone_workload(server: Server, name: str, new_name: str | None, body: dict[str, Any], *, as_json: bool) -> None:
    """All jobs of the only workload of that name that one may see."""
    if not new_name:
        raise UsageError("--workload needs --as: the name of the new workload.")
    for word in ("name", "command"):
        if word in body:
            raise UsageError(f"--{word} is of one job, and not of all jobs of a workload.")
    refuse_unknown_names(server, workload=name)
    found = list(server.rows("workloads", name=name))
    if len(found) != 1:
        places = ", ".join(str(one["project"]) for one in found)
        raise UsageError(f"there are workloads {name} in several projects: {places}. Clone their jobs one by one.")
    answer, _ = server.create(f"workloads/{found[0]['id']}/clone", {"workload": new_name, **body})
    if as_json:
        print_json(answer)
        return
    print(f"workload {visible(answer['name'])} submitted, a clone of {visible(name)}")
    note(f"see it: trainyard workloads show {new_name}")
