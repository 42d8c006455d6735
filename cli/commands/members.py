"""`trainyard members` and what changes them."""

from typing import Annotated

import typer

from cli.client.requests import Server, path_word
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import in_project
from cli.options.shared import DEFAULT_PROJECT, AsJson, ProjectName
from cli.output import print_json, visible
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
members_app = typer.Typer(rich_markup_mode=None)
app.add_typer(members_app, name="members")

User = Annotated[str, typer.Argument(metavar="USER", show_default=False, help="The user's name.")]
RoleGiven = Annotated[
    str,
    typer.Option(
        "--role",
        metavar="ROLE",
        help="viewer: looks; member: submits; admin: manages.",
        autocompletion=completing.roles,
    ),
]
NewRole = Annotated[
    str,
    typer.Argument(
        metavar="ROLE", show_default=False, help="viewer, member or admin.", autocompletion=completing.roles
    ),
]
COLUMNS = [
    Column("USER", lambda member: plain(member["user"])),
    Column("ROLE", lambda member: plain(member["role"])),
    Column("", lambda member: plain("" if member["active"] else "account switched off")),
]


@members_app.callback(invoke_without_command=True)
@on_server
def members(server: Server, project: ProjectName = DEFAULT_PROJECT, *, as_json: AsJson = False) -> None:
    """List who belongs to a project; take users in, change roles, send members away."""
    with in_project(server, project):
        rows = server.rows(path_of(project))
    if as_json:
        print_json(rows)
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))


@members_app.command()
@on_server
def add(
    server: Server,
    user: User,
    project: ProjectName = DEFAULT_PROJECT,
    *,
    role: RoleGiven = "member",
    as_json: AsJson = False,
) -> None:
    """Take a user in, as an admin of the project."""
    with in_project(server, project):
        member = server.post(path_of(project), {"user": user, "role": role})
    print_json(member) if as_json else print(f"{visible(user)} is {member['role']} of project {visible(project)}")


@members_app.command()
@on_server
def change(
    server: Server, user: User, role: NewRole, project: ProjectName = DEFAULT_PROJECT, *, as_json: AsJson = False
) -> None:
    """Give a member another role, as an admin of the project."""
    with in_project(server, project):
        member = server.patch(f"{path_of(project)}/{path_word(user)}", {"role": role})
    print_json(member) if as_json else print(f"{visible(user)} is {member['role']} of project {visible(project)}")


@members_app.command()
@on_server
def remove(server: Server, user: User, project: ProjectName = DEFAULT_PROJECT, *, as_json: AsJson = False) -> None:
    """Send a member away, as an admin of the project; or leave it yourself."""
    with in_project(server, project):
        server.delete(f"{path_of(project)}/{path_word(user)}")
    print_json({"user": user, "role": None}) if as_json else print(f"{visible(user)} left project {visible(project)}")


def path_of(project: str) -> str:
    return f"projects/{path_word(project)}/members"
