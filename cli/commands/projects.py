"""`trainyard projects`, `trainyard projects show` and what changes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client.requests import Row, Server, path_word
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import in_project
from cli.options.shared import DEFAULT_PROJECT, AsJson
from cli.output import note, print_json
from cli.views.projects import spell_bars, spell_budgets
from cli.views.tables import Column, display, facts, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
projects_app = typer.Typer(rich_markup_mode=None)
app.add_typer(projects_app, name="projects")

Project = Annotated[
    str,
    typer.Argument(
        metavar="PROJECT", envvar="TRAINYARD_PROJECT", help="The project.", autocompletion=completing.projects
    ),
]
Named = Annotated[
    str,
    typer.Argument(metavar="PROJECT", show_default=False, help="The project.", autocompletion=completing.projects),
]
Slug = Annotated[str, typer.Argument(metavar="SLUG", show_default=False, help="Lower-case letters, digits, dashes.")]
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
    """List your projects as a tree, with your role in each; show, make, move and archive them."""
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
def show(server: Server, project: Project = DEFAULT_PROJECT, *, as_json: AsJson = False) -> None:
    """Show a project: its place in the tree, what it uses of each quota that limits it, what became of its budgets."""
    with in_project(server, project):
        where = f"projects/{path_word(project)}"
        row = server.get(where)
    quota, budgets = server.get(f"{where}/usage"), server.rows(f"{where}/budgets")
    if as_json:
        print_json({**row, "bars": quota["bars"], "kept_outputs": quota.get("kept_outputs"), "budgets": budgets})
        return
    console = make_console()
    display(console, facts(place(row)))
    for line in [*spell_bars(quota), *spell_budgets(budgets)]:
        print(line)


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


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is to be different."""

    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What people call it.")] = None
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="SLUG", help="Move it below this one.", autocompletion=completing.projects),
    ] = None
    top: Annotated[bool, typer.Option("--top", help="Move it to the top of the tree, as staff.")] = False
    weight: Annotated[
        float | None, typer.Option("--weight", metavar="N", help="Its fair share among its siblings.")
    ] = None
    archived: Annotated[
        bool | None, typer.Option("--archive/--restore", help="Let it take no new jobs, or take them again.")
    ] = None

    def body(self) -> dict[str, Any]:
        if self.top and self.parent is not None:
            raise UsageError("--parent or --top: it has one place.")
        said = {"name": self.name, "parent": self.parent, "weight": self.weight, "archived": self.archived}
        body: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
        return body | ({"parent": None} if self.top else {})


@projects_app.command()
@on_server
def change(server: Server, project: Named, terms: Terms, *, as_json: AsJson = False) -> None:
    """Rename, move or archive a project, or give it another weight.

    As an admin of it; its weight as one of the project above, its place as one of both places.
    Example: trainyard projects change speech --parent lab
    """
    body = terms.body()
    if not body:
        raise UsageError("say what to change: --name, --parent, --top, --weight, --archive or --restore.")
    with in_project(server, project):
        row = server.patch(f"projects/{path_word(project)}", body)
    if as_json:
        print_json(row)
        return
    console = make_console()
    display(console, facts(place(row)))


def place(row: Row) -> Iterator[tuple[str, Text]]:
    yield "project", plain(row["slug"])
    yield "name", plain(row["name"])
    yield "below", plain(row["parent"] or "nothing: it is at the top")
    yield "weight", plain(f"{row['weight']:g}")
    yield "", plain("archived: it takes no new jobs" if row["archived"] else "")


@projects_app.command()
@on_server
def remove(server: Server, slug: Named, *, as_json: AsJson = False) -> None:
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
