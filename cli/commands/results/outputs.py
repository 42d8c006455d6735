"""`trainyard outputs`."""

import importlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server
from cli.errors import CommandError
from cli.on_server import on_server
from cli.options.shared import AsJson, JobId
from cli.output import note, print_json, visible
from cli.views.system_page import spell_bytes
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
LOOK_SECONDS = 2.0

Paths = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH...", show_default=False, help="Only these files or folders of it."),
]
To = Annotated[
    Path | None,
    typer.Option(
        "--to", metavar="FOLDER", show_default=False, help="Fetch them into this folder; nothing is written elsewhere."
    ),
]
AttemptNumber = Annotated[
    int | None, typer.Option("--attempt", metavar="N", min=1, help="Of this attempt; else of the last that left any.")
]
Checkpoint = Annotated[bool, typer.Option("--checkpoint", help="Its checkpoints instead of its outputs.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Stay until all of them are kept.")]
Keep = Annotated[
    bool | None,
    typer.Option(
        "--keep/--no-keep", show_default=False, help="Keep them as long as the job, or as the rules on age say."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which of what a job has left is meant."""

    attempt: AttemptNumber = None
    checkpoint: Checkpoint = False


COLUMNS = [
    Column("PATH", lambda file: plain(file["path"]), shrinks=True),
    Column("SIZE", lambda file: plain(spell_bytes(file["size"])), right=True),
    Column("KIND", lambda file: plain(file["kind"]), yields=1),
    Column("STATE", lambda file: plain(_state(file))),
]


@app.command()
@on_server
def outputs(
    server: Server,
    job_id: JobId,
    paths: Paths = None,
    to: To = None,
    *,
    which: Which,
    wait: Wait = False,
    keep: Keep = None,
    as_json: AsJson = False,
) -> None:
    """List what a job has left, fetch it, or have it kept.

    Example: trainyard outputs 17 model.pt --to results
    """
    if keep is not None:
        server.patch(f"jobs/{job_id}/outputs", {"keep": keep})
    if wait:
        wait_for(server, job_id, which.attempt)
    kind = "checkpoint" if which.checkpoint else "output" if to is not None else None
    found = _download().listed(server, job_id, paths or [], attempt=which.attempt, kind=kind)
    if to is not None:
        fetch(server, found, to, as_json=as_json)
    elif as_json:
        print_json(found)
    else:
        show(found)


def _download() -> Any:
    """What fetches, loaded for this command alone."""
    return importlib.import_module("trainyard.outputs.download")


def wait_for(server: Server, job_id: int, attempt: int | None) -> None:
    """Return once nothing is on its way any more: the job is over, and its node has brought all."""
    told = ""
    while True:
        job = server.get(f"jobs/{job_id}")
        over = job["finished_at"] is not None or attempt is not None
        state = server.get(f"jobs/{job_id}/outputs", attempt=attempt, limit=1)["state"]
        if over and state != "coming":
            return
        why = f"job {job_id} is {job['state']}" if not over else f"the node of job {job_id} uploads what it has left"
        if why != told:
            note(f"waiting: {why}")
            told = why
        time.sleep(LOOK_SECONDS)


def show(found: Row) -> None:
    """The files as a table, and below it what else is to be said."""
    console = make_console()
    if found["files"]:
        display(console, make_table(console, COLUMNS, found["files"]))
    for line in _lines(found):
        note(line)


def _lines(found: Row) -> Sequence[str]:
    job = found["job"]
    how = {
        "none": f"job {job} has left nothing that is kept",
        "coming": f"the node of job {job} has not uploaded all of it yet: trainyard outputs {job} --wait",
        "lost": f"the node of job {job} never uploaded all of it",
        "forgotten": f"what job {job} has left was kept for its time, and is forgotten",
    }
    lines = [how[found["state"]]] if found["state"] in how else []
    if found["left_out"]:
        lines.append(f"{found['left_out']} files with {spell_bytes(found['left_out_bytes'])} were left out")
    if found["message"]:
        lines.append(found["message"])
    if found["keep"]:
        lines.append(f"kept as long as job {job}")
    return lines


def _state(file: Row) -> str:
    if file["state"] == "link":
        return f"link to {file['link']}"
    return f"left out: {file['message']}" if file["state"] == "left_out" else str(file["state"])


def fetch(server: Server, found: Row, to: Path, *, as_json: bool) -> None:
    """Have the files in the folder, and say what is not among them."""
    files = [file for file in found["files"] if file["state"] == "kept"]
    came, size = 0, 0
    for file, new in _download().fetch(server, files, to):
        came += new
        size += file["size"] if new else 0
    if as_json:
        print_json({"fetched": came, "bytes": size, "there": len(files) - came, "folder": str(to)})
    else:
        already = f", {len(files) - came} were there already" if came < len(files) else ""
        print(f"{came} files with {spell_bytes(size)} are in {visible(to)}{already}")
    if others := [file for file in found["files"] if file["state"] != "kept"]:
        note(f"not among them: {', '.join(file['path'] for file in others[:5])}{' and others' if others[5:] else ''}")
    for line in _lines(found):
        note(line)
    if found["state"] == "coming":
        raise CommandError(f"not all of it is there yet: trainyard outputs {found['job']} --wait --to {to}")
