"""`trainyard login` and `trainyard logout`."""

import os
import sys
from typing import Annotated

import typer

from cli.client.connection import Connection, clean_url, forget_login, save_login, saved_login
from cli.client.profiles import checked_name
from cli.client.requests import Server
from cli.errors import UsageError
from cli.options.completing import profiles
from cli.options.shared import AsJson
from cli.output import note, print_json

app = typer.Typer(rich_markup_mode=None)

Address = Annotated[str, typer.Argument(metavar="URL", show_default=False, help="The server's address.")]
User = Annotated[str | None, typer.Option("--user", "-u", metavar="NAME", help="Your name there; else you are asked.")]
Name = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        envvar="TRAINYARD_PROFILE",
        help="Keep it under this name, beside others.",
        autocompletion=profiles,
    ),
]


@app.command()
def login(
    ctx: typer.Context, url: Address, user: User = None, profile: Name = None, *, as_json: AsJson = False
) -> None:
    """Log in to a server, and remember it.

    Without a terminal, the name and the password are read from standard input, a line each. A login without a name is
    used from then on; one with a name, where it is named: trainyard --profile NAME, TRAINYARD_PROFILE.
    """
    address = clean_url(url)
    name = profile or ctx.obj.profile
    if name:
        checked_name(name)
    with Server(Connection(address, "", "the command line")) as server:
        body = {"username": user or ask("User"), "password": ask("Password", hidden=True)}
        answer = server.post("auth/tokens", body)
    path = save_login(address, answer["token"], answer.get("expiry") or "", environ=os.environ, profile=name)
    if as_json:
        print_json({"url": address, "expiry": answer.get("expiry"), "file": str(path), "profile": name})
    else:
        note(f"logged in to {address}; the token is in {path} until {answer.get('expiry') or 'you log out'}")


@app.command()
def logout(ctx: typer.Context, profile: Name = None, *, as_json: AsJson = False) -> None:
    """Forget the server, and end the token there."""
    name = profile or ctx.obj.profile
    connection = saved_login(environ=os.environ, profile=name)
    if connection is None:
        raise UsageError("there is no login to forget.")
    forget_login(environ=os.environ, profile=name)
    with Server(connection) as server:
        server.delete("auth/tokens/current")
    if as_json:
        print_json({"url": connection.url})
    else:
        note(f"logged out of {connection.url}")


def ask(what: str, *, hidden: bool = False) -> str:
    """Ask the person at the terminal; a script writes the answer to standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=hidden, err=True))
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        raise UsageError(f"{what.lower()}: nothing to read on standard input.")
    return line
