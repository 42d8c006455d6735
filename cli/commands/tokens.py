"""`trainyard tokens`, `trainyard tokens create` and `trainyard tokens revoke`."""

from typing import Annotated

import typer

from cli.client.requests import Row, Server, path_word
from cli.durations import spell_moment
from cli.errors import RefusedError
from cli.on_server import on_server
from cli.options import completing
from cli.options.shared import AsJson
from cli.output import note, print_json, visible
from cli.views.money import spell_money
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
tokens_app = typer.Typer(rich_markup_mode=None)
app.add_typer(tokens_app, name="tokens")

Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...", show_default=False, help="As `trainyard tokens` lists them.", autocompletion=completing.tokens
    ),
]
Days = Annotated[
    int | None,
    typer.Option("--days", metavar="N", min=1, help="How long it lasts; else as long as the token that asks for it."),
]
MaxGpus = Annotated[
    int | None, typer.Option("--max-gpus", metavar="N", min=0, help="Of all its jobs together that are not over.")
]
MaxCost = Annotated[
    str | None, typer.Option("--max-cost", metavar="AMOUNT", help="Of its jobs, each up to its limit until it is over.")
]
CostDays = Annotated[
    int | None, typer.Option("--cost-days", metavar="N", min=1, help="--max-cost is for the jobs of so many days.")
]


def spell_caps(token: Row) -> str:
    """`4 GPUs, 20 in 30 days`."""
    gpus, cost, days = (token.get(name) for name in ("max_gpus", "max_cost", "cost_days"))
    money = (
        "" if cost is None else f"{spell_money(cost)} in all" if days is None else f"{spell_money(cost)} in {days} days"
    )
    return ", ".join(filter(None, ("" if gpus is None else f"{gpus} GPUs", money)))


COLUMNS = [
    Column("ID", lambda token: plain(token["id"])),
    Column("MADE", lambda token: spell_moment(token["created"])),
    Column("UNTIL", lambda token: spell_moment(token["expiry"]) if token["expiry"] else "for ever"),
    Column("AT MOST", lambda token: plain(spell_caps(token))),
    Column("", lambda token: plain("the one in use" if token["current"] else "")),
]


@tokens_app.callback(invoke_without_command=True)
@on_server
def tokens(server: Server, *, as_json: AsJson = False) -> None:
    """List your tokens; make more for scripts, and take them back."""
    rows = server.get("auth/tokens/own")
    if as_json:
        print_json(rows)
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))


@tokens_app.command()
@on_server
def create(
    server: Server,
    *,
    days: Days = None,
    max_gpus: MaxGpus = None,
    max_cost: MaxCost = None,
    cost_days: CostDays = None,
    as_json: AsJson = False,
) -> None:
    """Make a token, say for a script: printed once, and never shown again.

    With --max-gpus or --max-cost it is capped, say for an agent: it may look, and submit, quote, edit, cancel, pause
    and hold jobs, and no more than that.

    Example: TRAINYARD_TOKEN=$(trainyard tokens create --days 7 --max-gpus 4 --max-cost 20)
    """
    asked = {"days": days, "max_gpus": max_gpus, "max_cost": max_cost, "cost_days": cost_days}
    made = server.post("auth/tokens/own", {name: value for name, value in asked.items() if value is not None})
    if as_json:
        print_json(made)
        return
    print(made["token"])
    note(f"it lets whoever has it in as you until {spell_moment(made['expiry'])}; it is not shown again")


@tokens_app.command()
@on_server
def revoke(server: Server, ids: Ids, *, as_json: AsJson = False) -> None:
    """Take tokens back: they let nobody in any more."""
    refusals: list[str] = []
    gone: list[str] = []
    for token_id in ids:
        try:
            server.delete(f"auth/tokens/own/{path_word(token_id)}")
            gone.append(token_id)
        except RefusedError as error:
            refusals += error.lines
    if as_json:
        print_json(gone)
    else:
        for token_id in gone:
            print(f"token {visible(token_id)} lets nobody in any more")
    if refusals:
        raise RefusedError(*refusals)
