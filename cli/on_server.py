"""Commands that work on a server: each is handed the open connection, and takes the options that choose it."""

import functools
import os
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

import typer

from cli.client import Server
from cli.connection import find_connection
from cli.option_groups import gathered, spread
from cli.options import Given, TokenFile, Url

CONTEXT = Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context)
CONNECTION_OPTIONS = [
    Parameter("url", Parameter.KEYWORD_ONLY, default=None, annotation=Url),
    Parameter("token_file", Parameter.KEYWORD_ONLY, default=None, annotation=TokenFile),
]


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the server as its first argument, and add --url and --token-file to its options.

    A parameter of `command` whose type is a dataclass stands for one option per field. The command of a group runs when
    none of those in the group is called.
    """
    _server, *own = signature(command).parameters.values()

    @functools.wraps(command)
    def run(*, ctx: typer.Context, url: str | None, token_file: Path | None, **options: Any) -> None:
        if ctx.invoked_subcommand is not None:
            return
        given: Given = ctx.obj
        connection = find_connection(
            url or given.url, token_file or given.token_file, environ=os.environ, folder=Path.cwd()
        )
        with Server(connection) as server:
            command(server, **gathered(own, options))

    run.__signature__ = Signature([CONTEXT, *spread(own), *CONNECTION_OPTIONS])  # type: ignore[attr-defined]  # typer reads it
    return run
