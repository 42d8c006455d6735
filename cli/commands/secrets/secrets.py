"""`trainyard secrets` and what changes them. A value comes from a prompt or from standard input, and is never printed."""

import sys
from typing import Annotated

import typer

from cli.client.requests import Server, path_word
from cli.durations import spell_moment
from cli.errors import RefusedError, UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.shared import AsJson
from cli.output import note, print_json, visible
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
secrets_app = typer.Typer(rich_markup_mode=None)
app.add_typer(secrets_app, name="secrets")

Name = Annotated[
    str, typer.Argument(metavar="NAME", show_default=False, help="As jobs find it in their environment: WANDB_API_KEY.")
]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", show_default=False, help="As they are listed.")]
# Without TRAINYARD_PROJECT: whose secret it is must not depend on what a shell has set.
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-p",
        metavar="NAME",
        show_default=False,
        help="Those of this project, for the jobs of all its members; else your own.",
        autocompletion=completing.projects,
    ),
]
COLUMNS = [
    Column("NAME", lambda secret: plain(secret["name"])),
    Column("SET BY", lambda secret: plain(secret["set_by"])),
    Column("SET", lambda secret: spell_moment(secret["set_at"])),
    Column("LAST USED", lambda secret: spell_moment(secret["last_used_at"]) if secret["last_used_at"] else "never"),
]


@secrets_app.callback(invoke_without_command=True)
@on_server
def secrets(server: Server, project: Project = None, *, as_json: AsJson = False) -> None:
    """List your secrets or a project's, without their values; set and delete them."""
    rows = server.rows(path_of(project))
    if as_json:
        print_json(rows)
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))


@secrets_app.command(name="set")
@on_server
def set_secret(server: Server, name: Name, project: Project = None, *, as_json: AsJson = False) -> None:
    """Write a secret, over the one before if there is one: typed at a prompt, or read from standard input.

    Example: trainyard secrets set WANDB_API_KEY

    Example: trainyard secrets set DEPLOY_KEY --project vision < key.pem
    """
    secret = server.put(f"{path_of(project)}/{path_word(name)}", {"value": read_value()})
    if as_json:
        print_json(secret)
        return
    print(f"secret {visible(name)} is set{of(project)}")
    note(f"jobs get it with: trainyard submit --secret {visible(name)} ...")


@secrets_app.command()
@on_server
def delete(server: Server, names: Names, project: Project = None, *, as_json: AsJson = False) -> None:
    """Take secrets back: jobs that name them and have not begun wait, what runs keeps them."""
    gone: list[str] = []
    refusals: list[str] = []
    for name in names:
        try:
            server.delete(f"{path_of(project)}/{path_word(name)}")
            gone.append(name)
        except RefusedError as error:
            refusals += error.lines
    if as_json:
        print_json(gone)
    else:
        for name in gone:
            print(f"secret {visible(name)} is gone{of(project)}")
    if refusals:
        raise RefusedError(*refusals)


def read_value() -> str:
    """Without the line break at its end, which an editor or `echo` has added."""
    if sys.stdin.isatty():
        return str(typer.prompt("Value", hide_input=True, confirmation_prompt=True, err=True))
    try:
        value = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise UsageError("the value is no text in UTF-8: encode it, for example with base64.") from None
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise UsageError("there is no value on standard input.")
    return value


def path_of(project: str | None) -> str:
    return "me/secrets" if project is None else f"projects/{path_word(project)}/secrets"


def of(project: str | None) -> str:
    return "" if project is None else f" in project {visible(project)}"
