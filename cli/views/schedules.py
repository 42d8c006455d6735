"""Schedules, in words and tables."""

import json
import shlex
from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console
from rich.table import Table

from cli.client.requests import Row
from cli.durations import spell_moment
from cli.views.predictions import spell_time_until
from cli.views.tables import Column, facts, make_table, plain

OVERLAPS = {
    "skip": "while its last job has not ended, no other one is submitted",
    "allow": "another job is submitted also while its last one has not ended",
    "replace": "a new job takes the place of the last one, which is cancelled",
}
MISSED = {
    "once": "for all moments that were missed one job is submitted",
    "skip": "moments that were missed are left out",
}


def schedules_table(console: Console, rows: Iterable[Row], now: datetime) -> Table:
    columns = [
        Column("SCHEDULE", lambda row: plain(row["name"])),
        Column("PROJECT", lambda row: plain(row["project"]), yields=2),
        Column("OWNER", lambda row: plain(row["owner"]), yields=1),
        Column("WHEN", lambda row: plain(f"{row['cron']} {row['time_zone']}")),
        Column("NEXT", lambda row: plain(spell_next(row, now))),
        Column("LAST JOB", lambda row: str(row["last_job"] or "-"), right=True),
        Column("LAST MOMENT", lambda row: plain(row["outcome"] or "-"), shrinks=True),
    ]
    return make_table(console, columns, rows)


def schedule_facts(row: Row, now: datetime) -> Table:
    return facts((name, plain(words)) for name, words in _facts(row, now) if words)


def spell_next(row: Row, now: datetime) -> str:
    if row["paused"]:
        return "paused"
    return spell_time_until(row["upcoming"][0], now) if row["upcoming"] else "never again"


def _facts(row: Row, now: datetime) -> Iterator[tuple[str, str]]:
    yield "schedule", f"{row['name']} ({row['id']}), of {row['owner']} in project {row['project']}"
    yield (
        "when",
        f"{row['cron']} in {row['time_zone']}" + (f", until {spell_moment(row['ends_at'])}" if row["ends_at"] else ""),
    )
    yield "next", ", ".join(map(spell_moment, row["upcoming"])) or spell_next(row, now)
    yield "overlap", OVERLAPS[row["overlap"]]
    yield "missed", MISSED[row["missed"]]
    yield "command", shlex.join(map(str, row["job"]["command"]))
    rest = {name: value for name, value in row["job"].items() if name != "command"}
    yield "job", json.dumps(rest, ensure_ascii=False)
    yield "last moment", f"{spell_moment(row['last_at'])}: {row['outcome']}" if row["last_at"] else ""
