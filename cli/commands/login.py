"""`trainyard login` and `trainyard logout`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.client import Server
from cli.connection import Connection, clean_url, save_login, saved_login
from cli.errors import UsageError
from cli.options import AsJson
from cli.output import note, print_json

app = typer.Typer(rich_markup_mode=None)

Address = Annotated[str, typer.Argument(metavar="URL", show_default=False, help="The server's address.")]
User = Annotated[str | None, typer.Option("--user", "-u", metavar="NAME", help="Your name there; else you are asked.")]


@app.command()
def login(url: Address, user: User = None, *, as_json: AsJson = False) -> None:
    """Log in to a server, and remember it.

    Without a terminal, the name and the password are read from standard input, a line each.
    """
    address = clean_url(url)
    with Server(Connection(address, "", "the command line")) as server:
        body = {"username": user or ask("User"), "password": ask("Password", hidden=True)}
        answer = server.post("auth/tokens", body)
    path = save_login(address, answer["token"], answer.get("expiry") or "", environ=os.environ)
    if as_json:
        print_json({"url": address, "expiry": answer.get("expiry"), "file": str(path)})
    else:
        note(f"logged in to {address}; the token is in {path} until {answer.get('expiry') or 'you log out'}")


@app.command()
def logout(*, as_json: AsJson = False) -> None:
    """Forget the server, and end the token there."""
    connection = saved_login(environ=os.environ)
    if connection is None:
        raise UsageError("there is no login to forget.")
    Path(connection.source).unlink(missing_ok=True)
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
