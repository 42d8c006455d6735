"""Commands that work on a server: each is handed the open connection, and takes the options that choose it."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

import typer

from cli.client import Server
from cli.connection import find_connection
from cli.options import Given, TokenFile, Url

CONTEXT = Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context)
CONNECTION_OPTIONS = [
    Parameter("url", Parameter.KEYWORD_ONLY, default=None, annotation=Url),
    Parameter("token_file", Parameter.KEYWORD_ONLY, default=None, annotation=TokenFile),
]


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the server as its first argument, and add --url and --token-file to its options.

    A parameter of `command` whose type is a dataclass stands for one option per field.
    """
    _server, *own = signature(command).parameters.values()
    groups: dict[str, Any] = {one.name: one.annotation for one in own if dataclasses.is_dataclass(one.annotation)}

    @functools.wraps(command)
    def run(*, ctx: typer.Context, url: str | None, token_file: Path | None, **options: Any) -> None:
        given: Given = ctx.obj
        connection = find_connection(
            url or given.url, token_file or given.token_file, environ=os.environ, folder=Path.cwd()
        )
        for name, group in groups.items():
            options[name] = group(**{field.name: options.pop(field.name) for field in dataclasses.fields(group)})
        with Server(connection) as server:
            command(server, **options)

    spread = [option for one in own for option in _spread(one)]
    run.__signature__ = Signature([CONTEXT, *spread, *CONNECTION_OPTIONS])  # type: ignore[attr-defined]  # typer reads it
    return run


def _spread(parameter: Parameter) -> Iterator[Parameter]:
    if not dataclasses.is_dataclass(parameter.annotation):
        yield parameter.replace(kind=Parameter.KEYWORD_ONLY)
        return
    for field in dataclasses.fields(parameter.annotation):
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
