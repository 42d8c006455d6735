"""`trainyard pools`, and what is done to a pool: show, add, set, pause, resume, rm."""

from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server, path_word
from cli.errors import RefusedError, UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import refuse_unknown_pool
from cli.options.pool import PoolOptions
from cli.options.shared import AsJson
from cli.output import note, print_json, visible
from cli.views.pools import pool_facts, pools_table, spell_pool
from cli.views.tables import display, make_console

app = typer.Typer(rich_markup_mode=None)
pools_app = typer.Typer(rich_markup_mode=None)
app.add_typer(pools_app, name="pools")

NewName = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="What it is called.")]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", show_default=False, help="What it is called.", autocompletion=completing.pools),
]


@pools_app.callback(invoke_without_command=True)
@on_server
def pools(server: Server, *, as_json: AsJson = False) -> None:
    """List the pools of nodes, with how many each is to have and why; make, change and pause them, as staff."""
    print_pools(server, as_json=as_json)


@pools_app.command("list")
@on_server
def list_(server: Server, *, as_json: AsJson = False) -> None:
    """List the pools, as `trainyard pools` does."""
    print_pools(server, as_json=as_json)


@pools_app.command()
@on_server
def show(server: Server, name: Name, *, as_json: AsJson = False) -> None:
    """Show everything about a pool."""
    pool = asked(server, name, server.get)
    if as_json:
        print_json(pool)
        return
    display(make_console(), pool_facts(pool))


@pools_app.command()
@on_server
def add(server: Server, name: NewName, its: PoolOptions, *, as_json: AsJson = False) -> None:
    """Make a pool, as staff.

    Example: trainyard pools add small --cpus 2 --memory-gb 8 --max 4 --actuator local
    """
    tell(server.post("pools", {"name": name, **its.body()}), as_json=as_json)


@pools_app.command("set")
@on_server
def set_(server: Server, name: Name, its: PoolOptions, *, as_json: AsJson = False) -> None:
    """Change a pool, as staff. What is not named stays as it is.

    Example: trainyard pools set small --max 8 --spare 1 --scale-down 5m
    """
    body = its.body()
    if not body:
        raise UsageError("say what to set: see trainyard pools set --help.")
    change(server, name, body, as_json=as_json)


@pools_app.command()
@on_server
def pause(server: Server, name: Name, *, as_json: AsJson = False) -> None:
    """Let nothing come or go, as staff; what is wanted is shown as before."""
    change(server, name, {"paused": True}, as_json=as_json)


@pools_app.command()
@on_server
def resume(server: Server, name: Name, *, as_json: AsJson = False) -> None:
    """Let nodes come and go again, as staff."""
    change(server, name, {"paused": False}, as_json=as_json)


@pools_app.command()
@on_server
def rm(server: Server, name: Name, *, as_json: AsJson = False) -> None:
    """Forget a pool, as staff; its nodes stay. Pause it first."""
    asked(server, name, server.delete)
    print_json([name]) if as_json else print(f"pool {visible(name)} is gone, its nodes are not")


def print_pools(server: Server, *, as_json: bool) -> None:
    rows = server.rows("pools")
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("no pools yet: `trainyard pools add NAME --cpus 2 --memory-gb 8` makes one")
        return
    console = make_console()
    display(console, pools_table(console, rows))


def change(server: Server, name: str, body: Row, *, as_json: bool) -> None:
    tell(asked(server, name, lambda path: server.patch(path, body)), as_json=as_json)


def asked(server: Server, name: str, ask: Any) -> Any:
    """Its answer; of a pool that is not there the refusal says which there are."""
    try:
        return ask(f"pools/{path_word(name)}")
    except RefusedError:
        refuse_unknown_pool(server, name)
        raise


def tell(pool: Row, *, as_json: bool) -> None:
    print_json(pool) if as_json else print(spell_pool(pool))
