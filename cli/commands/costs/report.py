"""`trainyard costs`."""

from dataclasses import dataclass
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
from cli.views.money import spell_money
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)

GROUPS = completing.words("project", "user", "batch", "job", "node", "day", "month")
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-p",
        metavar="NAME",
        help="Only this project's, and what lies below it.",
        autocompletion=completing.projects,
    ),
]
User = Annotated[str | None, typer.Option("--user", "-u", metavar="NAME", help="Only those of this user's jobs.")]
Batch = Annotated[str | None, typer.Option("--batch", metavar="ID", help="Only those of the jobs of this batch.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="From when: 2030-05-01; the beginning of this month without it.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Until just before then; now without it.")]
By = Annotated[
    str,
    typer.Option("--by", metavar="WORD", help="project, user, batch, job, node, day or month.", autocompletion=GROUPS),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print a table for spreadsheets.")]


@dataclass(frozen=True, kw_only=True)
class CostFilters:
    """Which costs; what is left open narrows nothing down."""

    project: Project = None
    user: User = None
    batch: Batch = None
    since: Since = None
    until: Until = None

    def conditions(self) -> dict[str, str | None]:
        """What was typed, as the server calls it."""
        period = {"since": moment("--since", self.since), "until": moment("--until", self.until)}
        return {"project": self.project, "user": self.user, "batch": self.batch, **period}


@app.command()
@on_server
def costs(server: Server, only: CostFilters, *, by: By = "project", csv: Csv = False, as_json: AsJson = False) -> None:
    """Say what was paid in a period, by project, user, batch, job, node, day or month.

    Example: trainyard costs --project vision --since 2030-05-01 --by user
    """
    wanted = {**only.conditions(), "group_by": by}
    if csv:
        with server.stream("costs/export", "text/csv", **wanted) as answer:
            for piece in answer.iter_text():
                print(piece, end="")
        return
    answer = server.get("costs", **wanted)
    if as_json:
        print_json(answer)
        return
    if not answer["groups"]:
        refuse_unknown_names(server, project=only.project)
    console = make_console()
    if answer["groups"]:
        display(console, make_table(console, columns(answer), [*answer["groups"], {**answer["total"], "key": "all"}]))
    note(summary(answer))


def columns(answer: Row) -> list[Column]:
    unit = answer["currency"]
    return [
        Column(answer["group_by"].upper(), lambda row: plain(row["key"] or "(none)"), shrinks=True),
        Column("PLACEMENTS", lambda row: str(row["placements"]), right=True, yields=2),
        Column("SETTLED", lambda row: spell_money(row["settled"]), right=True, yields=1),
        Column("REFUNDED", lambda row: spell_money(row["refunded"]), right=True, yields=1),
        Column(f"COST {unit}", lambda row: spell_money(row["cost"]), right=True),
    ]


def summary(answer: Row) -> str:
    """`2030-05-01 00:00:00 to 2030-05-08 12:00:00; 1.25 EUR more of what runs`."""
    told = f"{spell_moment(answer['since'])} to {spell_moment(answer['until'])}"
    if answer["left_off"]:
        told += f"; {answer['left_off']} more, each with less"
    return (
        f"{told}; {spell_money(answer['accrued'])} {answer['currency']} more of what runs"
        if answer["accrued"]
        else told
    )
