"""`trainyard budgets`, `trainyard budgets add`, `trainyard budgets change` and `trainyard budgets remove`."""

from dataclasses import dataclass
from typing import Annotated

import typer

from cli.client.requests import Row, Server
from cli.durations import spell_moment
from cli.on_server import on_server
from cli.options import completing
from cli.options.shared import AsJson
from cli.options.values import moment
from cli.output import note, print_json
from cli.views.budgets import spell_amount
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
budgets_app = typer.Typer(rich_markup_mode=None)
app.add_typer(budgets_app, name="budgets")

PERIODS = completing.words("day", "week", "month", "once")
Project = Annotated[
    str, typer.Argument(metavar="PROJECT", show_default=False, help="Whose.", autocompletion=completing.projects)
]
OfProject = Annotated[
    str | None,
    typer.Option("--project", "-p", metavar="NAME", help="Only this project's.", autocompletion=completing.projects),
]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", show_default=False, help="In each period, such as 250.00.")]
Number = Annotated[int, typer.Argument(metavar="ID", show_default=False, help="The budget's number.")]
Hard = Annotated[
    bool | None, typer.Option("--hard/--soft", help="Start nothing that it could not pay for to its end; or only warn.")
]
NewAmount = Annotated[str | None, typer.Option("--amount", metavar="AMOUNT", help="In each period.")]


@budgets_app.callback(invoke_without_command=True)
@on_server
def budgets(server: Server, *, project: OfProject = None, as_json: AsJson = False) -> None:
    """List budgets: what is spent, committed and expected of them; set more, as those who may."""
    rows = server.rows(f"projects/{project}/budgets" if project else "budgets")
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no budgets: `trainyard budgets add vision 250.00 --period month`")
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Of what, and for how long."""

    period: Annotated[str, typer.Option(metavar="WORD", help="day, week, month or once.", autocompletion=PERIODS)] = (
        "month"
    )
    gpu_hours: Annotated[bool, typer.Option("--gpu-hours", help="The amount is one of GPU-hours, not of money.")] = (
        False
    )
    zone: Annotated[str, typer.Option(metavar="NAME", help="By whose calendar, such as Europe/Berlin.")] = "UTC"
    currency: Annotated[str, typer.Option(metavar="CODE", help="To be sure: refused if it is not the platform's.")] = ""
    begin: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Of one that is there once.")] = None
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until just before then.")] = None
    hard: Hard = False


@budgets_app.command()
@on_server
def add(server: Server, project: Project, amount: Amount, terms: Terms, *, as_json: AsJson = False) -> None:
    """Set a budget.

    Example: trainyard budgets add vision 250.00 --period month --zone Europe/Berlin --hard
    """
    body = {
        "amount": amount,
        "unit": "gpu_hours" if terms.gpu_hours else "money",
        "period": terms.period,
        "zone": terms.zone,
        "currency": terms.currency,
        "starts_at": moment("--from", terms.begin),
        "ends_at": moment("--to", terms.until),
        "hard": bool(terms.hard),
    }
    made = server.post(f"projects/{project}/budgets", body)
    print_json(made) if as_json else print(spell(made))


@budgets_app.command()
@on_server
def change(
    server: Server, budget: Number, *, amount: NewAmount = None, hard: Hard = None, as_json: AsJson = False
) -> None:
    """Change a budget. A lower one stops new starts; what runs goes on."""
    wanted = {name: value for name, value in (("amount", amount), ("hard", hard)) if value is not None}
    changed = server.patch(f"budgets/{budget}", wanted)
    print_json(changed) if as_json else print(spell(changed))


@budgets_app.command()
@on_server
def remove(server: Server, budget: Number, *, as_json: AsJson = False) -> None:
    """Remove a budget. What was spent stays on record."""
    server.delete(f"budgets/{budget}")
    print_json([budget]) if as_json else print(f"budget {budget} is gone")


COLUMNS = [
    Column("ID", lambda row: str(row["id"]), right=True),
    Column("PROJECT", lambda row: plain(row["project"]), shrinks=True),
    Column("PERIOD", lambda row: plain(row["period"])),
    Column("KIND", lambda row: "hard" if row["hard"] else "soft", yields=1),
    Column("SPENT", lambda row: spell_amount(row, "spent"), right=True),
    Column("COMMITTED", lambda row: spell_amount(row, "committed"), right=True),
    Column("FORECAST", lambda row: spell_amount(row, "forecast"), right=True, yields=2),
    Column("OF", lambda row: spell_amount(row, "amount"), right=True),
    Column("UNTIL", lambda row: spell_moment(row["until"]), yields=1),
]


def spell(budget: Row) -> str:
    """One line: `budget 3: 250.00 EUR a month for project vision, hard`."""
    each = "once" if budget["period"] == "once" else f"a {budget['period']}"
    kind = "hard" if budget["hard"] else "soft"
    return f"budget {budget['id']}: {spell_amount(budget, 'amount')} {each} for project {budget['project']}, {kind}"
