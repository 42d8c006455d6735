"""The options that several commands share."""

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from cli.options.completing import job_ids, profiles, projects

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The server; else TRAINYARD_URL, the last login or the local stack."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="A file with the token; else TRAINYARD_TOKEN or as above."),
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="NAME", help="The login of this name; else TRAINYARD_PROFILE.", autocompletion=profiles
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON.")]
ProjectName = Annotated[
    str,
    typer.Option(
        "--project",
        "-p",
        metavar="NAME",
        envvar="TRAINYARD_PROJECT",
        help="Who the job belongs to.",
        autocompletion=projects,
    ),
]
DEFAULT_PROJECT = "default"
JobId = Annotated[
    int, typer.Argument(metavar="ID", show_default=False, help="The job's number.", autocompletion=job_ids)
]
JobIds = Annotated[
    list[int], typer.Argument(metavar="ID...", show_default=False, help="The jobs' numbers.", autocompletion=job_ids)
]


class ServerChoice(NamedTuple):
    """What stood before the command's name."""

    url: str | None = None
    token_file: Path | None = None
    profile: str | None = None
