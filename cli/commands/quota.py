"""`trainyard quota`."""

import math
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server, path_word
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import in_project
from cli.options.shared import DEFAULT_PROJECT, AsJson
from cli.options.values import understand
from cli.output import note, print_json
from cli.views.nodes import load_bar
from cli.views.projects import spell_bars
from cli.views.tables import Column, display, make_console, make_table

app = typer.Typer(rich_markup_mode=None)

Project = Annotated[
    str,
    typer.Argument(
        metavar="PROJECT", envvar="TRAINYARD_PROJECT", help="The project.", autocompletion=completing.projects
    ),
]
NAMES = {
    "gpus": "GPUs",
    "cpus": "CPUs",
    "memory_gb": "memory GB",
    "running_jobs": "running jobs",
    "waiting_jobs": "waiting jobs",
    "gpu_hours_ahead": "GPU-hours ahead",
}


LOANED = ("gpus", "cpus", "memory_gb")
Limit = Annotated[
    list[str] | None,
    typer.Option(metavar="WHAT=N", help=f"Set a limit ({', '.join(NAMES)}); N may be none. May be repeated."),
]
Borrow = Annotated[
    list[str] | None,
    typer.Option(metavar="WHAT=N", help=f"What it may hold beyond its own ({', '.join(LOANED)}); none: nothing."),
]
Lend = Annotated[
    list[str] | None,
    typer.Option(metavar="WHAT=N", help="What its siblings may have of what it leaves; none: all of that."),
]
EachUser = Annotated[
    list[str] | None,
    typer.Option(metavar="WHAT=N", help=f"What each user may hold of it ({', '.join(NAMES)}); N may be none."),
]
MaxNodes = Annotated[
    str | None, typer.Option(metavar="N", help="How many nodes one job may ask for; none: as many as there are.")
]
GpuModel = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL=N", help="GPUs by model, all together: h100=4, repeated for each; none: no limit of any."
    ),
]


@app.command()
@on_server
def quota(  # noqa: PLR0913 - each is an option
    server: Server,
    project: Project = DEFAULT_PROJECT,
    *,
    limit: Limit = None,
    borrow: Borrow = None,
    lend: Lend = None,
    each_user: EachUser = None,
    max_nodes: MaxNodes = None,
    gpu_model: GpuModel = None,
    as_json: AsJson = False,
) -> None:
    """Show what a project holds, and how much it may hold; or set that, as an admin of a project above.

    Example: trainyard quota vision --limit gpus=8 --borrow gpus=4 --lend gpus=2
    """
    wanted = {
        "limits": parse_amounts("--limit", limit or (), NAMES),
        "borrowing_limits": parse_amounts("--borrow", borrow or (), LOANED),
        "lending_limits": parse_amounts("--lend", lend or (), LOANED),
        "user_limits": parse_amounts("--each-user", each_user or (), NAMES),
    }
    change: dict[str, Any] = {name: amounts for name, amounts in wanted.items() if amounts}
    if max_nodes is not None:
        change["max_nodes"] = understand(_amount, f"--max-nodes {max_nodes}", max_nodes)
    if gpu_model is not None:
        change["gpu_models"] = parse_models(gpu_model)
    with in_project(server, project):
        where = f"queues/quota/{path_word(project)}"
        answer = server.patch(where, change) if change else server.get(where)
    if as_json:
        print_json(answer)
        return
    console = make_console()
    display(console, make_table(console, COLUMNS, amounts(answer)))
    for line in (*spell_bars(answer), *of_each(answer)):
        print(line)
    if not answer["enforced"]:
        note("not enforced: nothing is held back by these limits")


COLUMNS = [
    Column("OF", lambda amount: NAMES[amount["name"]]),
    Column("USED", lambda amount: spell_amount(amount["usage"], "-"), right=True),
    Column("LIMIT", lambda amount: spell_amount(amount["limit"], "none"), right=True),
    Column("", lambda amount: load_bar(amount["usage"], amount["limit"])),
    Column("LEFT", lambda amount: spell_amount(amount["available"], "no limit"), right=True),
]


def amounts(answer: Row) -> list[Row]:
    """One row for each thing that is limited."""
    names = [name for name in NAMES if name in answer["limits"]]
    limits, usage, left = answer["limits"], answer["usage"], answer["available"]
    return [{"name": name, "limit": limits[name], "usage": usage[name], "available": left[name]} for name in names]


def parse_amounts(option: str, settings: Iterable[str], names: Iterable[str]) -> dict[str, Any]:
    """`gpus=8` as a number by its name, `gpus=none` as no limit."""
    amounts: dict[str, Any] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in names:
            raise UsageError(f"{option} {setting}: write one of {', '.join(names)}, then = and a number or none.")
        amounts[name] = understand(_amount, f"{option} {setting}", text)
    return amounts


def parse_models(settings: Iterable[str]) -> dict[str, float | None]:
    """`h100=4` as a number by its name; `none` alone as no limits."""
    found: dict[str, float | None] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if setting == "none":
            continue
        if not name or not text:
            raise UsageError(f"--gpu-model {setting}: write a model, then = and a number, such as h100=4, or none.")
        found[name] = understand(_amount, f"--gpu-model {setting}", text)
    return found


def _amount(text: str) -> float | None:
    if text == "none":
        return None
    amount = int(text) if text.isdecimal() else float(text)
    if not math.isfinite(amount) or amount < 0:
        raise ValueError(f"{text} is no amount: write a number from 0 on, or none")
    return amount


def of_each(answer: Row) -> list[str]:
    """What each user may hold, and the caller holds of that, and each job may ask for, where anything is limited."""
    most, now = answer.get("user_limits", {}), answer.get("user_usage", {})
    limited = [name for name in NAMES if most.get(name) is not None]
    parts = [f"{most[name]:g} {NAMES[name]} (you: {now.get(name) or 0:g})" for name in limited]
    models, held = answer.get("gpu_models", {}), answer.get("gpu_models_usage", {})
    by_model = [f"{held.get(name, 0)} of {most} {name}" for name, most in models.items()]
    told = [f"each user at most: {', '.join(parts)}"] if parts else []
    told += [f"GPUs by model: {', '.join(by_model)}"] if by_model else []
    return [*told, f"each job at most: {answer['max_nodes']} nodes"] if answer.get("max_nodes") else told


def spell_amount(amount: float | None, without: str = "") -> str:
    return without if amount is None else f"{amount:g}"
