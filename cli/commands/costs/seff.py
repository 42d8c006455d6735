"""`trainyard seff`."""

import typer

from cli.client.requests import Row, Server
from cli.durations import spell
from cli.on_server import on_server
from cli.options.shared import AsJson, JobId
from cli.output import print_json
from cli.views.tables import display, facts, make_console, plain

app = typer.Typer(rich_markup_mode=None)


@app.command()
@on_server
def seff(server: Server, job_id: JobId, *, as_json: AsJson = False) -> None:
    """Say what a job used of what it held, so that the next one asks for as much as it needs.

    As Slurm's seff.
    """
    answer = server.get(f"jobs/{job_id}/efficiency")
    if as_json:
        print_json(answer)
        return
    display(make_console(), facts([*use(answer), ("", plain(answer["sentence"]))]))


def use(answer: Row) -> list[tuple[str, str]]:
    """The facts, one a line; nothing of what is not known."""
    if answer["cpu_seconds"] is None:
        return []
    held, used = answer["cpu_seconds_held"], answer["cpu_seconds"]
    memory, peak = answer["memory_gb"], answer["peak_memory_gb"]
    asked = f" of {memory:g} GB" if memory else ""
    return [
        ("ran", spell(answer["run_seconds"])),
        ("CPU", f"{spell(used)} of {spell(held)}{percent(answer['cpu_percent'])}"),
        ("memory", "" if peak is None else f"{peak:g} GB{asked} at most{percent(answer['memory_percent'])}"),
        ("GPU", f"{spell(answer['gpu_seconds_held'])} held" if answer["gpu_seconds_held"] else ""),
    ]


def percent(value: float | None) -> str:
    return "" if value is None else f", {value:g} %"
