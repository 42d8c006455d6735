"""`trainyard scheduler`: how it decides, its settings, who gave way to whom."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.client.requests import Row, Server
from cli.durations import spell, spell_moment
from cli.errors import UsageError
from cli.on_server import on_server
from cli.options.shared import AsJson, JobId
from cli.output import note, print_json, visible
from cli.views.tables import Column, display, facts, make_console, make_table, plain

app = typer.Typer(rich_markup_mode=None)
scheduler_app = typer.Typer(rich_markup_mode=None)
settings_app = typer.Typer(rich_markup_mode=None)
app.add_typer(scheduler_app, name="scheduler")
scheduler_app.add_typer(settings_app, name="settings")


class By(StrEnum):
    DAY = "day"
    PROJECT = "project"
    QUEUE = "queue"
    STRATEGY = "strategy"


Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The setting.")]
Value = Annotated[
    str,
    typer.Argument(
        metavar="VALUE",
        show_default=False,
        help="A word, a number, yes or no; several words with commas; age=1000,size=50.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")]
SumBy = Annotated[By | None, typer.Option("--by", help="Sum them up.")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="From this moment on: 2030-05-01.")]
Limit = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="So many of the newest.")]


@scheduler_app.callback(invoke_without_command=True)
@on_server
def scheduler(server: Server, *, as_json: AsJson = False) -> None:
    """Say how the scheduler decides, and what its last cycle did; its settings; who gave way to whom."""
    info = server.get("jobs/scheduler/info")
    if as_json:
        print_json(info)
        return
    cycle = info["cycle"]
    display(
        make_console(),
        facts(
            [
                ("policy", info["policy"]),
                ("rebalancing", info["rebalancing"]["mode"]),
                ("last cycle", f"{spell_moment(cycle['started_at'])}, {cycle['duration_ms']:.0f} ms"),
                ("placed then", str(cycle["placed"])),
                ("waiting", str(info["pending_jobs"])),
                *(("alert", visible(one)) for one in info["alerts"]),
            ]
        ),
    )


@scheduler_app.command()
@on_server
def candidates(server: Server, job_id: JobId, *, as_json: AsJson = False) -> None:
    """Say who would give way if a waiting job was to start now."""
    answer = server.get(f"jobs/{job_id}/preemption-candidates")
    if as_json:
        print_json(answer)
        return
    if not answer["candidates"]:
        note(f"job {job_id} starts now" if answer["starts_now"] else f"nobody would give way to job {job_id}")
        return
    console = make_console()
    display(console, make_table(console, CANDIDATES, answer["candidates"]))


@scheduler_app.command()
@on_server
def preemptions(
    server: Server, *, by: SumBy = None, since: Since = None, limit: Limit = 50, as_json: AsJson = False
) -> None:
    """List who gave way to whom, or sum it up."""
    moment = f"{since}T00:00:00Z" if since and "T" not in since else since
    if by is None:
        rows, columns = server.rows("scheduler/preemptions", limit=limit, since=moment), PREEMPTIONS
    else:
        rows = server.get("scheduler/preemptions/statistics", by=by.value, since=moment)["groups"]
        columns = [Column(by.value.upper(), lambda row: plain(row["group"])), *SUMS]
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("nobody has had to give way")
        return
    console = make_console()
    display(console, make_table(console, columns, rows))


@settings_app.callback(invoke_without_command=True)
@on_server
def settings(server: Server, *, as_json: AsJson = False) -> None:
    """List the scheduler's settings, and who has set them; set them, as staff."""
    rows = server.get("scheduler/settings")["settings"]
    if as_json:
        print_json(rows)
        return
    console = make_console()
    display(console, make_table(console, SETTINGS, rows))


@settings_app.command("set")
@on_server
def set_(server: Server, name: Name, value: Value, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Set one, as staff; the next cycle goes by it.

    Example: trainyard scheduler settings set rebalancing on --reason "wide jobs wait"
    """
    known = {row["name"]: row["kind"] for row in server.get("scheduler/settings")["settings"]}
    change(server, name, understood(value, known.get(name, "")), reason, as_json=as_json)


@settings_app.command()
@on_server
def unset(server: Server, name: Name, *, reason: Reason = "", as_json: AsJson = False) -> None:
    """Give one back to the environment, as staff."""
    change(server, name, None, reason, as_json=as_json)


@settings_app.command()
@on_server
def history(server: Server, *, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List who set what, when, and why."""
    rows = server.rows("scheduler/settings/history", limit=limit)
    if as_json:
        print_json(rows)
        return
    if not rows:
        note("nothing was ever set: the environment holds")
        return
    console = make_console()
    display(console, make_table(console, CHANGES, rows))


def change(server: Server, name: str, value: Any, reason: str, *, as_json: bool) -> None:
    answer = server.patch("scheduler/settings", {name: value, "reason": reason})
    [row] = [one for one in answer["settings"] if one["name"] == name]
    print_json(row) if as_json else print(f"{name} is {spell_value(row['value'])} ({row['source']})")


def understood(text: str, kind: str) -> Any:
    """What was typed as the server wants it; what cannot be understood is for the server to refuse."""
    if kind == "words":
        return [] if text in ("", "none") else text.split(",")
    if kind == "yes_no":
        return {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}.get(text, text)
    if kind == "weights":
        pairs = [word.partition("=") for word in text.split(",") if word]
        try:
            return {name: float(number) for name, _, number in pairs}
        except ValueError:
            raise UsageError("weights are written like age=1000,size=50.") from None
    if kind in ("number", "whole"):
        try:
            number = json.loads(text)
        except ValueError:
            return text
        return number
    return text


def spell_value(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ",".join(map(str, value)) or "none"
        case dict():
            return ",".join(f"{name}={number:g}" for name, number in value.items()) or "-"
    return visible(str(value))


def spell_set(row: Row) -> str:
    if row["fault"]:
        return row["fault"]
    return f"{row['set_by']}, {spell_moment(row['set_at'])}" if row["source"] == "set" else row["source"]


SETTINGS = [
    Column("SETTING", lambda row: plain(row["name"])),
    Column("VALUE", lambda row: plain(spell_value(row["value"]))),
    Column("FROM", lambda row: plain(spell_set(row))),
    Column("WHY", lambda row: plain(row["reason"])),
    Column("WHAT IT DOES", lambda row: plain(row["help"]), shrinks=True),
]
CHANGES = [
    Column("WHEN", lambda row: spell_moment(row["at"])),
    Column("BY", lambda row: plain(row["by"])),
    Column("SETTING", lambda row: plain(row["name"])),
    Column("WAS", lambda row: plain(spell_value(row["old"]))),
    Column("IS", lambda row: plain("as its environment says" if row["new"] is None else spell_value(row["new"]))),
    Column("WHY", lambda row: plain(row["reason"]), shrinks=True),
]
CANDIDATES = [
    Column("JOB", lambda row: plain(row["job"])),
    Column("NAME", lambda row: plain(row["name"]), yields=1),
    Column("PROJECT", lambda row: plain(row["project"])),
    Column("PRIORITY", lambda row: plain(row["priority"])),
    Column("NODE", lambda row: plain(row["node"])),
    Column("BY", lambda row: plain(row["strategy"])),
    Column("LOSES", lambda row: spell(row["lost_seconds"])),
    Column("NEXT", lambda row: "stopped next" if row["chosen"] else ""),
]
PREEMPTIONS = [
    Column("WHEN", lambda row: spell_moment(row["at"])),
    Column("JOB", lambda row: plain(row["job"])),
    Column("PROJECT", lambda row: plain(row["project"])),
    Column("FOR", lambda row: plain(row["for_job"])),
    Column("BY", lambda row: plain(row["strategy"])),
    Column("LOST", lambda row: spell(row["lost_seconds"])),
    Column("GAVE WAY", lambda row: {True: "yes", False: "no"}.get(row["gave_way"], "not yet")),
]
SUMS = [
    Column("TOLD", lambda row: plain(row["requested"])),
    Column("GAVE WAY", lambda row: plain(row["gave_way"])),
    Column("LOST", lambda row: spell(row["lost_seconds"])),
    Column("LOST GPU TIME", lambda row: spell(row["lost_gpu_seconds"])),
]
