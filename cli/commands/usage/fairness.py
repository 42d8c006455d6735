"""`trainyard fairness`."""

from collections.abc import Callable
from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.durations import spell_moment
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import refuse_unknown_names
from cli.options.shared import AsJson
from cli.options.values import moment
from cli.output import note, print_json
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)

AMOUNTS = ("wanted", "entitled", "received", "lent", "borrowed", "short", "waited")
Project = Annotated[
    str | None,
    typer.Option(
        "--project", "-p", metavar="NAME", help="Only this project, and what lies below it.",
        autocompletion=completing.projects,
    ),
]  # fmt: skip
User = Annotated[str | None, typer.Option("--user", "-u", metavar="NAME", help="Only this user.")]
By = Annotated[
    str,
    typer.Option("--by", metavar="WORD", help="project or user.", autocompletion=completing.words("project", "user")),
]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="From when: 2030-05-01; the beginning of this week without it.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Until just before then; now without it.")]
Zone = Annotated[
    str | None, typer.Option("--zone", metavar="PLACE", help="Whose weeks: Europe/Berlin; UTC without it.")
]


@app.command()
@on_server
def fairness(
    server: Server, *, by: By = "project", project: Project = None, user: User = None, since: Since = None,
    until: Until = None, zone: Zone = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say who was entitled to what, week by week, who received it, and why not.

    Example: trainyard fairness --since 2030-05-01 --by user
    """
    times = {"since": moment("--since", since), "until": moment("--until", until), "time_zone": zone}
    answer = server.get("usage/fairness", group_by=by, project=project, user=user, **times)
    if as_json:
        print_json(answer)
        return
    rows = [{"week": week["week"], **one} for week in answer["weeks"] for one in week["statements"]]
    if not rows:
        refuse_unknown_names(server, project=project)
    console = make_console()
    if rows:
        display(console, make_table(console, columns(by), rows))
    indices = [f"{week['week']} {week['jain_index']:.2f}" for week in answer["weeks"] if week["jain_index"] is not None]
    told = f"{spell_moment(answer['since'])} to {spell_moment(answer['until'])}, in hours of one GPU"
    note(f"{told}; Jain index: {', '.join(indices)}" if indices else told)


def columns(by: str) -> list[Column]:
    """The first amounts stay longest where there is little room."""
    figures = [Column(name.upper(), spelt_amount(name), right=True, yields=place) for place, name in enumerate(AMOUNTS)]
    return [
        Column("WEEK", week_of),
        Column(by.upper(), lambda row: plain(row["key"] or "(none)"), shrinks=True),
        *figures,
        Column("WHY", lambda row: plain(row["why"]), shrinks=True),
    ]


def spelt_amount(name: str) -> Callable[[Row], str]:
    return lambda row: f"{row[name]:,.2f}"


def week_of(row: Row) -> str:
    return str(row["week"])
