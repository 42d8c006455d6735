"""`trainyard templates`, and what is done with one: show, run, quote, write, rm."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server, path_word
from cli.commands.quote import show_quote
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options.shared import AsJson
from cli.options.values import begin_moment, parse_labels
from cli.output import note, print_json, visible
from cli.submission.file_content import read_content
from cli.views.aftermath import require_success
from cli.views.follow import follow_to_the_end
from cli.views.tables import display, make_console
from cli.views.templates import template_facts, templates_table

app = typer.Typer(rich_markup_mode=None)
templates_app = typer.Typer(rich_markup_mode=None)
app.add_typer(templates_app, name="templates")

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="What it is called.")]
Values = Annotated[
    list[str] | None, typer.Argument(metavar="[PARAMETER=VALUE...]", show_default=False, help="What is said of it.")
]
Version = Annotated[int | None, typer.Option("--version", metavar="N", help="Another version than the latest.")]
Project = Annotated[
    str | None,
    typer.Option("--project", "-p", metavar="NAME", envvar="TRAINYARD_PROJECT", help="Who the job belongs to."),
]


@templates_app.callback(invoke_without_command=True)
@on_server
def templates(server: Server, *, as_json: AsJson = False) -> None:
    """List the templates that you may submit from, each in its latest version."""
    rows = server.rows("templates")
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no templates yet: `trainyard templates write FILE` writes one, as an admin of a project")
        return
    console = make_console()
    display(console, templates_table(console, rows))


@templates_app.command()
@on_server
def show(server: Server, name: Name, *, version: Version = None, as_json: AsJson = False) -> None:
    """Show what a template makes, and what may be said of it."""
    row = server.get(f"templates/{path_word(name)}", **({} if version is None else {"version": version}))
    if as_json:
        print_json(row)
        return
    display(make_console(), template_facts(row))


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """What is said of the job beside its parameters."""

    project: Project = None
    version: Version = None
    job_name: Annotated[str | None, typer.Option("--name", "-n", metavar="NAME", help="What lists show.")] = None
    queue: Annotated[str | None, typer.Option("--queue", "-q", metavar="NAME", help="Which line it waits in.")] = None
    label: Annotated[list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="May be repeated.")] = None
    begin: Annotated[
        str | None, typer.Option("--begin", metavar="MOMENT", help="Not before this: now+2h, tomorrow 8:00.")
    ] = None
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="A second try brings no second job.")] = None

    def body(self) -> Row:
        labels = parse_labels("--label", self.label or [])
        begin = begin_moment("--begin", self.begin)
        said = {
            "name": self.job_name, "queue": self.queue, "submission_key": self.key, "labels": labels, "begin_at": begin,
        }  # fmt: skip
        return {field: value for field, value in said.items() if value}


@templates_app.command()
@on_server
def run(
    server: Server,
    name: Name,
    its: OrderOptions,
    values: Values = None,
    *,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Stay until it is over.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a job that comes of a template.

    Example: trainyard templates run mnist model_type=mlp epochs=2
    """
    body = order(server, name, values or [], project=its.project, version=its.version) | its.body()
    job, new = server.create(f"templates/{path_word(name)}/jobs", body)
    if not as_json:
        print(f"job {job['id']} submitted" if new else f"job {job['id']} has this key already, and is {job['state']}")
    if wait:
        job = follow_to_the_end(server, job, with_logs=False)
    if as_json:
        print_json(job)
    if wait:
        require_success(server, [job], with_logs=True)


@templates_app.command()
@on_server
def quote(
    server: Server,
    name: Name,
    values: Values = None,
    *,
    project: Project = None,
    version: Version = None,
    count: Annotated[int, typer.Option("--count", metavar="N", help="So many runs of it.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Say when such a job would start and what it would cost, without submitting it."""
    body = {**order(server, name, values or [], project=project, version=version), "count": count}
    answer = server.post(f"templates/{path_word(name)}/quote", body)
    if as_json:
        print_json(answer)
        return
    show_quote(server, answer)


@templates_app.command()
@on_server
def write(
    server: Server,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False)],
    *,
    as_json: AsJson = False,
) -> None:
    """Write a template, or its next version, from a file in JSON or TOML."""
    row = server.post("templates", read_content(file))
    if as_json:
        print_json(row)
    else:
        print(f"template {visible(row['name'])}, version {row['version']}")


@templates_app.command()
@on_server
def rm(server: Server, name: Name, *, as_json: AsJson = False) -> None:
    """Forget a template with all its versions; jobs that came of it stay."""
    server.delete(f"templates/{path_word(name)}")
    print_json([name]) if as_json else print(f"template {visible(name)} is gone, its jobs are not")


def order(server: Server, name: str, values: list[str], *, project: str | None, version: int | None) -> Row:
    """The body: each value as its parameter's type wants it, by what the server says of the template."""
    asked = {} if version is None else {"version": version}
    template = server.get(f"templates/{path_word(name)}", **asked)
    body: Row = {"parameters": parse_values(values, template["parameters"]), **asked}
    if project or template["project"] is None:
        body["project"] = project or "default"
    return body


def parse_values(words: list[str], parameters: Row) -> Row:
    """`epochs=2` as a number where the parameter is one; the server names what is wrong with a value."""
    said: Row = {}
    for word in words:
        name, given, text = word.partition("=")
        if not given:
            raise UsageError(f"{word}: write PARAMETER=VALUE; there are: {', '.join(parameters) or 'none'}.")
        said[name] = _as_typed(text, parameters.get(name, {}).get("type", "text"))
    return said


def _as_typed(text: str, kind: str) -> Any:
    if kind == "text":
        return text
    try:
        return json.loads(text.lower() if kind == "flag" else text)
    except ValueError:
        return text
