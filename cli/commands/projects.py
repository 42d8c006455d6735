"""`trainyard projects`, `trainyard projects add` and `trainyard projects remove`."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.text import Text

from cli.client.requests import Row, Server, path_word
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import in_project
from cli.options.shared import AsJson
from cli.output import note, print_json
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
projects_app = typer.Typer(rich_markup_mode=None)
app.add_typer(projects_app, name="projects")

Slug = Annotated[str, typer.Argument(metavar="SLUG", show_default=False, help="Lower-case letters, digits, dashes.")]
Known = Annotated[
    str, typer.Argument(metavar="SLUG", show_default=False, help="The project.", autocompletion=completing.projects)
]
Parent = Annotated[
    str | None,
    typer.Option(
        metavar="SLUG", help="The project above it; without one it is at the top.", autocompletion=completing.projects
    ),
]
COLUMNS = [
    Column("PROJECT", lambda project: Text("  " * project["depth"]).append(plain(project["slug"]))),
    Column("NAME", lambda project: plain(project["name"]), shrinks=True),
    Column("ROLE", lambda project: plain(project["role"])),
    Column("WEIGHT", lambda project: f"{project['weight']:g}", right=True),
    Column("", lambda project: plain("archived" if project["archived"] else "")),
]


@projects_app.callback(invoke_without_command=True)
@on_server
def projects(server: Server, *, as_json: AsJson = False) -> None:
    """List your projects as a tree, with your role in each; make more."""
    rows = server.rows("projects")
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("you belong to no project: ask an admin of one to take you in")
        return
    roles = {one["project"]: one["role"] for one in server.get("whoami")["projects"]}
    shown = [{**row, "role": roles.get(row["slug"], "")} for row in as_tree(rows)]
    console = make_console()
    display(console, make_table(console, COLUMNS, shown))


@projects_app.command()
@on_server
def add(
    server: Server,
    slug: Slug,
    *,
    parent: Parent = None,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What people call it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a project, as an admin of the one above; at the top, as staff."""
    made = server.post("projects", {"slug": slug, "name": name, "parent": parent})
    print_json(made) if as_json else print(f"project {made['slug']} is there; take users in: trainyard members add")


@projects_app.command()
@on_server
def remove(server: Server, slug: Known, *, as_json: AsJson = False) -> None:
    """Delete a project that has no jobs, and none below it, as an admin of the one above."""
    with in_project(server, slug):
        server.delete(f"projects/{path_word(slug)}")
    print_json([slug]) if as_json else print(f"project {slug} is gone; what it used and cost stays on record")


def as_tree(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows with their `depth`, each below the one above it, as far as that can be seen."""
    seen = {row["slug"] for row in rows}
    below: dict[str | None, list[Row]] = {}
    for row in rows:
        below.setdefault(row["parent"] if row["parent"] in seen else None, []).append(row)
    todo = [(row, 0) for row in reversed(below.get(None, []))]
    while todo:
        row, depth = todo.pop()
        yield {**row, "depth": depth}
        todo += [(child, depth + 1) for child in reversed(below.get(row["slug"], []))]
