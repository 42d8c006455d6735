"""`trainyard queues`, `trainyard queues add` and `trainyard queues set`."""

from typing import Annotated

import typer

from cli.client.requests import Row, Server, path_word
from cli.errors import RefusedError, UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import refuse_unknown_queue
from cli.options.queue import QueueOptions
from cli.options.shared import AsJson
from cli.output import print_json, visible
from cli.views.queues import spell_limits
from cli.views.tables import Column, coloured_state, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
queues_app = typer.Typer(rich_markup_mode=None)
app.add_typer(queues_app, name="queues")

NewName = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="What it is called.")]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", show_default=False, help="What it is called.", autocompletion=completing.queues),
]


def spell_running(queue: Row) -> str:
    """`3`, or `3/8` where at most 8 may run at once."""
    most = queue["max_running"]
    return f"{queue['running']}" if most is None else f"{queue['running']}/{most}"


COLUMNS = [
    Column("QUEUE", lambda queue: plain(queue["name"])),
    Column("RANK", lambda queue: str(queue["rank"]), right=True),
    Column("STATE", lambda queue: coloured_state(queue["state"])),
    Column("RUNNING", spell_running, right=True),
    Column("WAITING", lambda queue: str(queue["waiting"]), right=True),
    Column("LIMITS", lambda queue: plain(spell_limits(queue)), shrinks=True, yields=1),
    Column("POLICY", lambda queue: plain(queue["policy"] or "(platform's)")),
    Column("DESCRIPTION", lambda queue: plain(queue["description"]), shrinks=True),
]


@queues_app.callback(invoke_without_command=True)
@on_server
def queues(server: Server, *, as_json: AsJson = False) -> None:
    """List the queues, the one that goes first on top, with what they limit; make and change them, as staff."""
    rows = sorted(server.rows("queues"), key=lambda queue: (-queue["rank"], queue["name"]))
    if as_json:
        print_json(rows)
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, rows))


@queues_app.command()
@on_server
def add(server: Server, name: NewName, its: QueueOptions, *, as_json: AsJson = False) -> None:
    """Make a queue, as staff.

    Example: trainyard queues add debug --rank 50 --max-walltime 30m --max-gpus 1
    """
    made = server.post("queues", {"name": name, **its.body()})
    print_json(made) if as_json else print(spell_queue(made))


@queues_app.command("set")
@on_server
def set_(server: Server, name: Name, its: QueueOptions, *, as_json: AsJson = False) -> None:
    """Change a queue, as staff: what it limits, its rank, its state. What is not named stays as it is.

    Example: trainyard queues set live --max-walltime 2h --max-waiting 20 --max-gpus none --allow vision
    """
    body = its.body()
    if not body:
        raise UsageError("say what to set: see trainyard queues set --help.")
    try:
        changed = server.patch(f"queues/{path_word(name)}", body)
    except RefusedError:
        refuse_unknown_queue(server, name)
        raise
    print_json(changed) if as_json else print(spell_queue(changed))


def spell_queue(queue: Row) -> str:
    """`queue live, open: 2h 00m a job, 20 waiting a user`."""
    return f"queue {visible(queue['name'])}, {queue['state']}: {spell_limits(queue) or 'no limits'}"
