"""`trainyard reservations`, `trainyard reservations add` and `trainyard reservations remove`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.client.requests import Row, Server, path_word
from cli.durations import parse_duration, parse_moment, spell_moment
from cli.on_server import on_server
from cli.options import completing
from cli.options.shared import AsJson
from cli.options.values import understand
from cli.output import note, print_json
from cli.views.tables import Column, coloured_state, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
reservations_app = typer.Typer(rich_markup_mode=None)
app.add_typer(reservations_app, name="reservations")

Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="What it is called.")]
Kept = Annotated[
    str,
    typer.Argument(
        metavar="NAME", show_default=False, help="What it is called.", autocompletion=completing.reservations
    ),
]
Nodes = Annotated[
    list[str],
    typer.Option(
        "--node",
        "-n",
        metavar="NODE",
        show_default=False,
        help="A node to keep; may be repeated.",
        autocompletion=completing.nodes,
    ),
]
Start = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="From when: +2h (from now), 2030-05-01 or 2030-05-01T18:00; at once without it."),
]
Length = Annotated[str, typer.Option("--for", metavar="TIME", show_default=False, help="How long: 30m, 8h, 2d.")]
Project = Annotated[
    str | None,
    typer.Option(
        "--project",
        "-p",
        metavar="NAME",
        help="For whom; for nobody without it: maintenance.",
        autocompletion=completing.projects,
    ),
]


@reservations_app.callback(invoke_without_command=True)
@on_server
def reservations(server: Server, *, as_json: AsJson = False) -> None:
    """List which nodes are kept for whom; keep more, and give them back."""
    rows = server.rows("reservations")
    if as_json:
        print_json(rows)
        return
    left = [row for row in rows if stage(row, server.now) != "over"]
    if not left:
        note("no nodes are kept now or later")
        return
    console = make_console()
    display(console, make_table(console, columns(server.now), left))


@reservations_app.command()
@on_server
def add(
    server: Server,
    name: Name,
    node: Nodes,
    length: Length,
    *,
    start: Start = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Keep nodes for a project, or for maintenance, as staff. What runs there goes on.

    Example: trainyard reservations add cooling --node n1 --node n2 --start 2030-05-01T18:00 --for 4h
    """
    begins, ends = window(start, length, datetime.now(UTC))
    body = {"name": name, "nodes": node, "start": begins.isoformat(), "end": ends.isoformat(), "project": project}
    made = server.post("reservations", body)
    print_json(made) if as_json else print(spell(made))


@reservations_app.command()
@on_server
def remove(server: Server, name: Kept, *, as_json: AsJson = False) -> None:
    """Give the nodes back, as staff."""
    server.delete(f"reservations/{path_word(name)}")
    print_json([name]) if as_json else print(f"reservation {name} is gone")


def window(start: str | None, length: str, now: datetime) -> tuple[datetime, datetime]:
    """From when until when; raises `UsageError` that names the option which cannot be understood."""
    begins = understand(lambda text: parse_moment(text, now), "--start", start) if start else now
    return begins, understand(lambda text: begins + timedelta(seconds=parse_duration(text)), "--for", length)


def columns(now: datetime) -> list[Column]:
    return [
        Column("RESERVATION", lambda row: plain(row["name"])),
        Column("WHEN", lambda row: coloured_state(stage(row, now))),
        Column("FOR", lambda row: plain(row["project"] or "(maintenance)")),
        Column("START", lambda row: spell_moment(row["start"])),
        Column("END", lambda row: spell_moment(row["end"])),
        Column("NODES", lambda row: plain(", ".join(row["nodes"])), shrinks=True),
        Column("BY", lambda row: plain(row["created_by"]), yields=1),
    ]


def stage(reservation: Row, now: datetime) -> str:
    """Whether it is `ahead`, holds `now`, or is `over`."""
    if now < datetime.fromisoformat(reservation["start"]):
        return "ahead"
    return "now" if now < datetime.fromisoformat(reservation["end"]) else "over"


def spell(reservation: Row) -> str:
    """One line: `cooling keeps n1, n2 for maintenance from 2030-05-01 18:00:00 until 2030-05-01 22:00:00`."""
    whom = f"project {reservation['project']}" if reservation["project"] else "maintenance"
    during = f"from {spell_moment(reservation['start'])} until {spell_moment(reservation['end'])}"
    return f"{reservation['name']} keeps {', '.join(reservation['nodes'])} for {whom} {during}"
