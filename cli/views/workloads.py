"""Workloads, in words and tables."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console, RenderableType
from rich.table import Table

from cli.client.requests import Row
from cli.durations import spell, spell_moment
from cli.output import visible
from cli.views.predictions import spell_time_until
from cli.views.tables import Column, coloured_state, facts, make_table, plain

ORDER = ("running", "assigned", "queued", "pending", "paused", "completed", "failed", "cancelled")


def workloads_table(console: Console, rows: Iterable[Row], now: datetime) -> Table:
    return make_table(console, columns(now), rows)


def columns(now: datetime) -> list[Column]:
    return [
        Column("WORKLOAD", lambda row: plain(row["name"])),
        Column("PROJECT", lambda row: plain(row["project"]), yields=2),
        Column("OWNER", lambda row: plain(row["owner"]), yields=1),
        Column("STATE", lambda row: coloured_state(row["state"])),
        Column("DONE", lambda row: f"{row['done']}/{row['jobs']}", right=True),
        Column("PROGRESS", spell_progress, right=True),
        Column("JOBS", lambda row: plain(spell_counts(row)), shrinks=True),
        Column(
            "ENDS", lambda row: spell_time_until(row["predicted_end"], now) if row["predicted_end"] else "-", yields=3
        ),
        Column("COST", lambda row: spell_cost(row["cost"]), right=True, yields=4),
    ]


def spell_progress(row: Row) -> str:
    return "-" if row["progress"] is None else f"{row['progress']:.0%}"


def spell_counts(row: Row) -> str:
    """`2 running, 5 pending`."""
    return ", ".join(f"{row['counts'][state]} {state}" for state in ORDER if row["counts"].get(state))


def spell_cost(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:.2f}"


def outcome(row: Row, verb: str) -> str:
    """`workload sweep-7 is paused: 3 pending, 2 paused`."""
    done = {"create": "made, and ", "set": "changed, and "}.get(verb, "")
    counts = f": {spell_counts(row)}" if row["jobs"] else ""
    return f"workload {visible(row['name'])} is {done}{row['state']}{counts}"


def workload_facts(row: Row, now: datetime) -> Table:
    return facts((name, plain(words)) for name, words in _facts(row, now) if words)


def _facts(row: Row, now: datetime) -> Iterator[tuple[str, str]]:
    yield "workload", f"{row['name']} ({row['id']}), of {row['owner'] or 'nobody'} in project {row['project']}"
    yield "about", row["description"]
    yield "state", row["state"]
    yield "jobs", f"{row['jobs']}: {spell_counts(row)}" if row["jobs"] else "none"
    yield "progress", f"{spell_progress(row)}, {row['done']} of {row['jobs']} have ended" if row["jobs"] else ""
    yield "at once", f"at most {row['max_running']}" if row["max_running"] else ""
    yield "failures", "the first one cancels the others" if row["stop_on_failure"] else ""
    if row["first_failure"]:
        first = row["first_failure"]
        yield "first failure", f"job {first['job']} {first['name']}: {first['message'] or first['end_reason']}"
    yield "made", spell_moment(row["created_at"])
    yield "began", spell_moment(row["began_at"]) if row["began_at"] else ""
    yield "ends", f"{spell_time_until(row['predicted_end'], now)}" if row["predicted_end"] else ""
    yield "ended", spell_moment(row["finished_at"]) if row["finished_at"] else ""
    yield "GPU-hours", f"{row['gpu_hours']:.2f}" if row["gpu_hours"] else ""
    if row["cost"] is not None or row["estimated_cost"] is not None:
        yield "cost", f"{spell_cost(row['cost'])} so far, {spell_cost(row['estimated_cost'])} estimated"


def statistics_parts(console: Console, told: Row, best: str | None) -> Iterator[RenderableType]:
    yield plain("")
    yield facts((name, plain(words)) for name, words in _figures(told) if words)
    if best:
        yield plain("")
        columns = [
            Column("JOB", lambda row: str(row["job"]), right=True),
            Column("NAME", lambda row: plain(row["name"]), shrinks=True),
            Column("STATE", lambda row: coloured_state(row["state"])),
            Column(best.upper(), lambda row: f"{row['value']:g}", right=True),
        ]
        yield make_table(console, columns, told["best"]) if told["best"] else plain(f"no job has reported {best} yet")


def _figures(told: Row) -> Iterator[tuple[str, str]]:
    yield "waited", _spread(told["waits"])
    yield "ran", _spread(told["runs"])
    tried = f"{told['attempts']} attempts" if told["attempts"] else ""
    yield (
        "tried",
        ", ".join(filter(None, (tried, _some(told["retries"], "retries"), _some(told["preemptions"], "preemptions")))),
    )
    yield (
        "lost",
        f"{told['lost_hours']:.2f} hours of work, {told['lost_gpu_hours']:.2f} GPU-hours" if told["lost_hours"] else "",
    )
    paid = [f"{row['state']} {row['cost']:.2f}" for row in told["by_state"] if row["cost"] is not None]
    yield "cost by state", ", ".join(paid)
    yield "ended by", ", ".join(f"{reason} {number}" for reason, number in told["end_reasons"].items())


def _some(number: int, of: str) -> str:
    return f"{number} {of}" if number else ""


def _spread(one: Row) -> str:
    if not one["jobs"]:
        return ""
    mean, median, longest = (spell(one[name]) for name in ("mean", "median", "longest"))
    return f"{mean} on average, {median} in the middle, {longest} at most ({one['jobs']} job{'' if one['jobs'] == 1 else 's'})"
