"""Commands that work on a server: each is handed the open connection, and takes the options that choose it."""

import functools
import os
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any

import typer

from cli.client.connection import find_connection
from cli.client.requests import Server
from cli.errors import UsageError
from cli.options.groups import spread, with_groups
from cli.options.shared import Profile, ServerChoice, TokenFile, Url
from cli.output import speak_json

CONTEXT = Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context)
CONNECTION_OPTIONS = [
    Parameter("url", Parameter.KEYWORD_ONLY, default=None, annotation=Url),
    Parameter("token_file", Parameter.KEYWORD_ONLY, default=None, annotation=TokenFile),
    Parameter("profile", Parameter.KEYWORD_ONLY, default=None, annotation=Profile),
]


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the server as its first argument, and add --url, --token-file and --profile to its options.

    A parameter of `command` whose type is a dataclass stands for one option per field. The command of a group runs when
    none of those in the group is called.
    """
    _server, *own = signature(command).parameters.values()

    @functools.wraps(command)
    def run(
        *, ctx: typer.Context, url: str | None, token_file: Path | None, profile: str | None, **options: Any
    ) -> None:
        given = _merged(ctx.obj, ServerChoice(url, token_file, profile))
        if ctx.invoked_subcommand is not None:
            _refuse_lost_options(ctx, own)
            ctx.obj = given
            return
        if "as_json" in options:
            speak_json(on=options["as_json"])
        connection = find_connection(
            given.url, given.token_file, environ=os.environ, folder=Path.cwd(), profile=given.profile
        )
        with Server(connection) as server:
            command(server, **with_groups(own, options))

    run.__signature__ = Signature([CONTEXT, *spread(own), *CONNECTION_OPTIONS])  # type: ignore[attr-defined]  # typer reads it
    return run


def _merged(before: ServerChoice, after: ServerChoice) -> ServerChoice:
    """What stands nearer to the command's name goes first; an address there replaces a profile, and the other way round."""
    token_file = after.token_file or before.token_file
    if after.url or after.profile:
        return ServerChoice(after.url, token_file, after.profile)
    return ServerChoice(before.url, token_file, before.profile)


def _refuse_lost_options(ctx: typer.Context, own: list[Parameter]) -> None:
    """An option of the group says nothing to the command in it: better refused than lost in silence."""
    for one in spread(own):
        source = ctx.get_parameter_source(one.name)
        if source is not None and source.name == "COMMANDLINE":
            words = ", ".join(param.opts[0] for param in ctx.command.params if param.name == one.name)
            raise UsageError(f"{words}: write it after `{ctx.invoked_subcommand}`.")
