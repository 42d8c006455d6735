"""`trainyard mcp`: a program that an agent starts, or that many agents reach over HTTP."""

import importlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client.connection import clean_url, find_connection
from cli.commands.version import number
from cli.errors import CommandError, UsageError
from cli.options.shared import Profile, ServerChoice, TokenFile, Url

app = typer.Typer(rich_markup_mode=None)

Http = Annotated[
    str | None,
    typer.Option(
        "--http",
        metavar="HOST:PORT",
        help="Answer there at /mcp, whoever sends a token, instead of whoever has started this.",
    ),
]
HIGHEST_PORT = 65_535


@app.command()
def mcp(
    ctx: typer.Context, *, http: Http = None, url: Url = None, token_file: TokenFile = None, profile: Profile = None
) -> None:
    """Offer the platform's tools to an agent, by the Model Context Protocol.

    An agent starts it and speaks to it over standard input and output; what it does, it does as the user of the token.
    With --http everybody who asks sends a token of their own, and the one that is known here lets nobody in.
    """
    before = ctx.obj or ServerChoice()
    url, profile, token_file = url or before.url, profile or before.profile, token_file or before.token_file
    program = _program()
    if http is None:
        found = find_connection(url, token_file, environ=os.environ, folder=Path.cwd(), profile=profile)
        program.over_stdio(found, version=number())
        return
    host, port = _listens(http)
    address = url or (None if profile else os.environ.get("TRAINYARD_URL"))
    if address is None:
        address = find_connection(None, None, environ=os.environ, folder=Path.cwd(), profile=profile).url
    program.over_http(clean_url(address), host=host, port=port, version=number())


def _program() -> Any:
    """What needs the SDK, which the command line alone does not bring."""
    try:
        return importlib.import_module("cli.agent_tools.program")
    except ModuleNotFoundError as error:
        raise CommandError(f"this needs {error.name}: pip install 'trainyard-cli[mcp]'") from error


def _listens(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= HIGHEST_PORT:
        raise UsageError(f"--http {text}: write HOST:PORT, such as 127.0.0.1:8800.")
    return host.strip("[]"), int(port)
