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
        *gpu_use(answer),
        ("energy", energy(answer)),
    ]


def gpu_use(answer: Row) -> list[tuple[str, str]]:
    """What GPUs did of what was measured; a server of an earlier release says nothing of it."""
    measured, peak = answer.get("gpu_seconds_measured"), answer.get("gpu_peak_memory_gb")
    if measured is None:
        return []
    idle = answer["gpu_seconds_idle"]
    return [
        (
            "GPU use",
            f"{spell(answer['gpu_seconds_busy'])} of {spell(measured)} measured{percent(answer['gpu_percent'])}",
        ),
        ("GPU idle", "" if idle is None else spell(idle)),
        ("GPU memory", "" if peak is None else f"{peak:g} GB at most"),
    ]


def energy(answer: Row) -> str:
    """`1.25 kJ (0.347 Wh), GPU 1 kJ, CPU 0.25 kJ, 12 steps per kJ; part of it was not measured`."""
    if answer.get("joules") is None:
        return ""
    parts = [
        f"{answer['joules'] / 1000:.4g} kJ ({answer['watt_hours']:.4g} Wh)",
        *(f"{kind} {joules / 1000:.4g} kJ" for kind, joules in _kinds(answer) if joules is not None),
    ]
    if answer["steps_per_kilojoule"] is not None:
        parts.append(f"{answer['steps_per_kilojoule']:.4g} steps per kJ")
    return ", ".join(parts) + ("; part of it was not measured" if answer["energy_partial"] else "")


def _kinds(answer: Row) -> list[tuple[str, float | None]]:
    return [("GPU", answer["gpu_joules"]), ("CPU", answer["cpu_joules"])]


def percent(value: float | None) -> str:
    return "" if value is None else f", {value:g} %"
