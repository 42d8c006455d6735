"""Templates of jobs, in words."""

import json
import shlex
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table

from cli.client.requests import Row
from cli.durations import spell_moment
from cli.views.tables import Column, facts, make_table, plain

COLUMNS = [
    Column("TEMPLATE", lambda row: plain(row["name"])),
    Column("VERSION", lambda row: str(row["version"]), right=True),
    Column("PROJECT", lambda row: plain(row["project"] or "everybody's")),
    Column("PARAMETERS", lambda row: plain(spell_call(row))),
    Column("WHAT IT IS", lambda row: plain(row["description"]), shrinks=True, yields=1),
]


def templates_table(console: Console, rows: Iterable[Row]) -> Table:
    return make_table(console, COLUMNS, rows)


def template_facts(row: Row) -> Table:
    return facts((name, plain(words)) for name, words in _facts(row) if words)


def spell_call(row: Row) -> str:
    """`model_type= epochs=2`: what has to be said, and what is taken where nothing is."""
    return " ".join(f"{name}={_text(one.get('default'))}" for name, one in row["parameters"].items())


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    yield "template", f"{row['name']}, version {row['version']}, {row['project'] or 'everybody'}'s"
    yield "what it is", row["description"]
    for name, one in row["parameters"].items():
        yield name, _spell_parameter(one)
    command = row["job"].get("command")
    yield "command", shlex.join(map(str, command)) if isinstance(command, list) else ""
    rest = {name: value for name, value in row["job"].items() if name != "command"}
    yield "job", json.dumps(rest) if rest else ""
    yield "takes", _spell_run_time(row["estimated_runtime"]) if row["estimated_runtime"] else ""
    yield "written", f"{spell_moment(row['created_at'])} by {row['created_by']}"


def _spell_parameter(one: Row) -> str:
    """`integer, 1 to 50, 2 unless said; how often all data is seen`."""
    least, most = one.get("least"), one.get("most")
    bounds = {
        (False, False): f"{least} to {most}", (False, True): f"at least {least}", (True, False): f"at most {most}",
    }.get((least is None, most is None), "")  # fmt: skip
    chosen = "one of " + ", ".join(map(str, one["choices"])) if one.get("choices") else ""
    default = "has to be said" if one.get("default") is None else f"{_text(one['default'])} unless said"
    told = ", ".join(part for part in (one.get("type", "text"), bounds, chosen, default) if part)
    return f"{told}; {one['help']}" if one.get("help") else told


def _spell_run_time(said: Row) -> str:
    each = [f"{seconds:g} s x {name}" for name, seconds in (said.get("each") or {}).items()]
    return " + ".join([f"{said.get('base') or 0:g} s", *each])


def _text(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
