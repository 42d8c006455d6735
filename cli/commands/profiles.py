"""`trainyard profiles`, `trainyard profiles use` and `trainyard profiles remove`. They need no server."""

import os
from dataclasses import replace
from typing import Annotated

import typer

from cli.client.profiles import Profiles, read_profiles, write_profiles
from cli.options import completing
from cli.options.groups import grouped
from cli.options.shared import AsJson
from cli.output import note, print_json, visible
from cli.views.tables import Column, coloured_state, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
profiles_app = typer.Typer(rich_markup_mode=None)
app.add_typer(profiles_app, name="profiles")

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", show_default=False, help="The profile's name.", autocompletion=completing.profiles),
]
COLUMNS = [
    Column("PROFILE", lambda row: plain(row["name"])),
    Column("SERVER", lambda row: plain(row["url"])),
    Column("UNTIL", lambda row: plain(row["expiry"][:10])),
    Column("", lambda row: coloured_state("now", "current") if row["current"] else ""),
]


@profiles_app.callback(invoke_without_command=True)
def profiles(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """List the servers that you are logged in to; say which is used, and forget them."""
    if ctx.invoked_subcommand is not None:
        return
    rows = listed(read_profiles(os.environ))
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no logins yet: trainyard login URL, or trainyard login URL --profile NAME for several servers")
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))


@profiles_app.command()
@grouped
def use(name: Name) -> None:
    """Use this login wherever none is named."""
    known = read_profiles(os.environ)
    write_profiles(replace(known, chosen=name if known.find(name) else ""), environ=os.environ)
    print(f"{visible(name)} ({known.find(name).url}) is used where no other server is named")


@profiles_app.command()
@grouped
def remove(name: Name) -> None:
    """Forget a login without asking its server; `trainyard logout --profile NAME` ends the token there, too."""
    known = read_profiles(os.environ)
    known.find(name)
    left = {other: one for other, one in known.by_name.items() if other != name}
    write_profiles(Profiles(left, known.chosen if known.chosen != name else ""), environ=os.environ)
    print(f"profile {visible(name)} is forgotten")


def listed(known: Profiles) -> list[dict[str, object]]:
    return [
        {"name": name, "url": one.url, "expiry": one.expiry, "current": name == known.current}
        for name, one in known.by_name.items()
    ]
