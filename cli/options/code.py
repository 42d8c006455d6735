"""`--sync [FOLDER]`: an option that may stand alone."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from cli.client.requests import Row, Server
from cli.errors import UsageError
from cli.options.job import JobOptions

SYNC = "--sync"
Sync = Annotated[
    Path | None,
    typer.Option(
        SYNC,
        metavar="[FOLDER]",
        show_default=False,
        help="Bring the code in this folder, or that one, along: the job runs in a private copy of it, on any node.",
    ),
]


class MayStandAlone(TyperCommand):
    """A command whose --sync means the current folder where none follows."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_folder(args))


def with_folder(args: Sequence[str]) -> list[str]:
    """`--sync -- python` as `--sync=. -- python`."""
    full: list[str] = []
    for index, word in enumerate(args):
        if word == "--":
            return [*full, *args[index:]]
        following = args[index + 1] if index + 1 < len(args) else "--"
        full.append(f"{SYNC}=." if word == SYNC and following.startswith("-") else word)
    return full


def synced(server: Server, folder: Path, *, project: str, environ: Mapping[str, str]) -> Row:
    """The snapshot of the folder. What reads it is loaded for that alone."""
    snapshot: Row = importlib.import_module("trainyard.code.sync").sync(
        server, folder, project=project, environ=environ
    )
    return snapshot


def code_of(server: Server, folder: Path, its: JobOptions, *, environ: Mapping[str, str], here: Path) -> Row:
    """What a job that brings the folder along says of it. Raises UsageError."""
    start = inside(folder, its.working_dir, here)  # before anything is uploaded
    return {"working_dir": start, "snapshot": synced(server, folder, project=its.project, environ=environ)["id"]}


def inside(folder: Path, working_dir: Path | None, here: Path) -> str:
    """Where a command starts, as seen from the top of the folder: the same place as here. Raises UsageError."""
    top = folder.resolve()
    start = (here / (working_dir or "")).resolve()
    if start.is_relative_to(top):
        within = start.relative_to(top).as_posix()
        return "" if within == "." else within
    if working_dir is None:
        return ""
    raise UsageError(f"--working-dir {working_dir} is not inside {top}, which {SYNC} brings along.")
