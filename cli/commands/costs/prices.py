"""`trainyard prices`, `trainyard prices add`, `trainyard prices end` and `trainyard prices remove`."""

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
from cli.views.money import spell_money
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
prices_app = typer.Typer(rich_markup_mode=None)
app.add_typer(prices_app, name="prices")

TARGETS = completing.words("node", "node_type", "gpu_model", "cpu", "memory_gb")
Target = Annotated[
    str,
    typer.Argument(
        metavar="WHAT", show_default=False, help="node, node_type, gpu_model, cpu or memory_gb.", autocompletion=TARGETS
    ),
]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", show_default=False, help="An hour of it, such as 2.50.")]
Number = Annotated[int, typer.Argument(metavar="ID", show_default=False, help="The price's number.")]
From = Annotated[str | None, typer.Option("--from", metavar="TIME", help="From when: +2h, 2030-05-01; now without it.")]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until just before then.")]


@prices_app.callback(invoke_without_command=True)
@on_server
def prices(server: Server, *, as_json: AsJson = False) -> None:
    """List what things cost an hour; set more, and end them, as staff."""
    rows = server.rows("prices")
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("nothing has a price: `trainyard prices add gpu_model 2.50 --name H100`, as staff")
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Of what the price is, and for how long."""

    name: Annotated[str, typer.Option(metavar="NAME", help="Of the node, the node type or the GPU model.")] = ""
    capacity: Annotated[str, typer.Option(metavar="WORD", help="For spot or reserved nodes alone.")] = ""
    currency: Annotated[str, typer.Option(metavar="CODE", help="To be sure: refused if it is not the platform's.")] = ""
    begin: From = None
    until: To = None


@prices_app.command()
@on_server
def add(server: Server, target: Target, amount: Amount, terms: Terms, *, as_json: AsJson = False) -> None:
    """Set a price, as staff.

    Example: trainyard prices add node_type 24.00 --name p5 --capacity spot --from 2030-05-01
    """
    body = {
        "target": target,
        "per_hour": amount,
        "name": terms.name,
        "capacity": terms.capacity,
        "currency": terms.currency,
        "valid_from": moment("--from", terms.begin),
        "valid_to": moment("--to", terms.until),
    }
    made = server.post("prices", body)
    print_json(made) if as_json else print(spell(made))


@prices_app.command()
@on_server
def end(server: Server, price: Number, *, at: To = None, as_json: AsJson = False) -> None:
    """Let a price end, now or later, as staff. What it was until then stays."""
    ended = server.patch(f"prices/{price}", {"valid_to": moment("--to", at)})
    print_json(ended) if as_json else print(spell(ended))


@prices_app.command()
@on_server
def remove(server: Server, price: Number, *, as_json: AsJson = False) -> None:
    """Forget a price that is not valid yet, as staff."""
    server.delete(f"prices/{price}")
    print_json([price]) if as_json else print(f"price {price} is gone")


COLUMNS = [
    Column("ID", lambda row: str(row["id"]), right=True),
    Column("OF", lambda row: plain(row["target"])),
    Column("NAME", lambda row: plain(row["name"]), shrinks=True),
    Column("ON", lambda row: plain(row["capacity"]), yields=1),
    Column("AN HOUR", lambda row: f"{spell_money(row['per_hour'])} {row['currency']}", right=True),
    Column("FROM", lambda row: spell_moment(row["valid_from"])),
    Column("UNTIL", lambda row: spell_moment(row["valid_to"])),
]


def spell(price: Row) -> str:
    """One line: `price 3: 2.50 EUR an hour of gpu_model H100 from 2030-05-01 00:00:00`."""
    what = " ".join(word for word in (price["capacity"], price["target"], price["name"]) if word)
    until = f" until {spell_moment(price['valid_to'])}" if price["valid_to"] else ""
    hour = f"{spell_money(price['per_hour'])} {price['currency']} an hour"
    return f"price {price['id']}: {hour} of {what} from {spell_moment(price['valid_from'])}{until}"
