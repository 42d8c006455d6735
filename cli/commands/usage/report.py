"""`trainyard usage`."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server
from cli.durations import spell, spell_moment
from cli.on_server import on_server
from cli.options import completing
from cli.options.known_values import refuse_unknown_names
from cli.options.shared import AsJson
from cli.options.values import moment
from cli.output import note, print_json
from cli.views.money import spell_money
from cli.views.tables import Column, display, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)

GROUPS = completing.words("project", "user", "queue", "hardware", "node", "label:")
PERIODS = completing.words("hour", "day", "week", "month")
Project = Annotated[
    str | None,
    typer.Option(
        "--project", "-p", metavar="NAME", help="Only this project's, and what lies below it.",
        autocompletion=completing.projects,
    ),
]  # fmt: skip
User = Annotated[str | None, typer.Option("--user", "-u", metavar="NAME", help="Only that of this user's jobs.")]
Queue = Annotated[
    str | None,
    typer.Option("--queue", "-q", metavar="NAME", help="Only in this queue.", autocompletion=completing.queues),
]
Node = Annotated[
    str | None, typer.Option("--node", metavar="NAME", help="Only on this node.", autocompletion=completing.nodes)
]
Hardware = Annotated[
    str | None, typer.Option("--hardware", metavar="MODEL", help="Only on GPUs of this model; cpu: on none.")
]
Label = Annotated[str | None, typer.Option("--label", "-l", metavar="K=V", help="Only that of jobs with this label.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="From when: 2030-05-01; the beginning of this month without it.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Until just before then; now without it.")]
By = Annotated[
    str,
    typer.Option(
        "--by", metavar="WORD", help="project, user, queue, hardware, node, or label:NAME.", autocompletion=GROUPS
    ),
]
Every = Annotated[
    str | None,
    typer.Option("--every", metavar="PERIOD", help="A line for each hour, day, week or month.", autocompletion=PERIODS),
]
Zone = Annotated[str | None, typer.Option("--zone", metavar="PLACE", help="Whose days: Europe/Berlin; UTC without it.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print a table for spreadsheets.")]


@dataclass(frozen=True, kw_only=True)
class UsageFilters:
    """Which usage; what is left open narrows nothing down."""

    project: Project = None
    user: User = None
    queue: Queue = None
    node: Node = None
    hardware: Hardware = None
    label: Label = None
    since: Since = None
    until: Until = None
    zone: Zone = None

    def conditions(self) -> dict[str, Any]:
        """What was typed, as the server calls it."""
        period = {"since": moment("--since", self.since), "until": moment("--until", self.until)}
        narrowed = {name: getattr(self, name) for name in ("project", "user", "queue", "node", "hardware", "label")}
        return {**narrowed, **period, "time_zone": self.zone}


@app.command()
@on_server
def usage(
    server: Server, only: UsageFilters, *, by: By = "project", every: Every = None, csv: Csv = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what was used, by project, user, queue, hardware, node or label.

    Example: trainyard usage --project vision --since 2030-05-01 --by user --every week
    """
    wanted = {**only.conditions(), "group_by": by, "period": every}
    if csv:
        with server.stream("usage/export", "text/csv", **wanted) as answer:
            print(answer.read().decode(), end="")
        return
    answer = server.get("usage", **wanted)
    if as_json:
        print_json(answer)
        return
    if not answer["rows"]:
        refuse_unknown_names(server, project=only.project)
    console = make_console()
    if answer["rows"]:
        total = {**answer["total"], "key": "all", "period": ""}
        display(console, make_table(console, columns(answer), [*answer["rows"], total]))
    note(summary(answer))


def columns(answer: Row) -> list[Column]:
    found = [
        Column(answer["group_by"].upper(), lambda row: plain(row["key"] or "(none)"), shrinks=True),
        Column("GPU-H", lambda row: spell_hours(row["gpu_hours"]), right=True),
        Column("CPU-H", lambda row: spell_hours(row["cpu_hours"]), right=True),
        Column(f"COST {answer['currency']}", lambda row: spell_money(row["cost"]), right=True, yields=2),
        Column("STARTS", lambda row: str(row["starts"]), right=True, yields=5),
        Column("WAIT", lambda row: spell_wait(row["wait_median_seconds"]), right=True, yields=3),
        Column("P95", lambda row: spell_wait(row["wait_p95_seconds"]), right=True, yields=4),
        Column("GPU USE", lambda row: spell_part(row["gpu_utilisation"]), right=True, yields=1),
        Column("IDLE", lambda row: spell_hours(row["idle_gpu_hours"]), right=True, yields=7),
        Column("FAILED", spell_failed, right=True, yields=6),
        Column("LOST", lambda row: spell_hours(row["lost_gpu_hours"]), right=True, yields=8),
    ]
    if answer["total"].get("energy_kwh") is not None:
        found.append(Column("KWH", lambda row: spell_energy(row["energy_kwh"]), right=True, yields=9))
    if answer["total"].get("freed_gpu_hours"):
        found.append(Column("FREED", lambda row: spell_hours(row["freed_gpu_hours"]), right=True, yields=10))
    if answer["period"]:
        found.insert(0, Column(answer["period"].upper(), lambda row: plain(row["period"])))
    return found


def spell_hours(hours: float | None) -> str:
    return "-" if hours is None else f"{hours:,.2f}"


def spell_energy(kwh: float | None) -> str:
    return "-" if kwh is None else f"{kwh:,.3g}"


def spell_part(part: float | None) -> str:
    return "-" if part is None else f"{part:.0%}"


def spell_wait(seconds: float | None) -> str:
    return "-" if seconds is None else spell(seconds)


def spell_failed(row: Row) -> str:
    """GPU-hours of attempts that failed, whoever was at fault."""
    return spell_hours(row["failed_gpu_hours_owner"] + row["failed_gpu_hours_platform"])


def summary(answer: Row) -> str:
    """`2030-05-01 00:00:00 to 2030-05-08 12:00:00; 3 more rows`."""
    told = f"{spell_moment(answer['since'])} to {spell_moment(answer['until'])}"
    return f"{told}; {answer['left_off']} more rows" if answer["left_off"] else told
