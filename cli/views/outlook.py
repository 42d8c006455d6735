"""What the scheduler says of a job that waits, or would: its start, its reasons, and what would start it now."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.console import Console, RenderableType
from rich.text import Text

from cli.client.requests import Row
from cli.durations import spell_moment
from cli.views.predictions import spell_floor, spell_start, spell_time_until
from cli.views.tables import Column, facts, framed, make_table, plain

NOUNS = {"gpus": "GPU", "cpus": "CPU", "memory_gb": "GB", "running_jobs": "running job"}


def spell_place(answer: Row) -> str:
    """`2 of 5`; `none` for one that waits, but could not start if there was room; nothing for a job that does not wait."""
    if answer.get("position"):
        return f"{answer['position']} of {answer['line_length']}"
    waits = answer.get("reasons") and not answer.get("starts_now")
    return "none: it could not start if there was room" if waits else ""


def spell_reservation(answer: Row, now: datetime) -> str:
    kept = answer.get("reservation")
    if not kept:
        return ""
    where = f"on {', '.join(kept['nodes'])}" if kept["nodes"] else "in its quotas and its queue"
    return f"{where}, {spell_time_until(kept['start'], now)} at the latest"


def spell_giving_way(answer: Row) -> str:
    """`by stopping jobs 3, 4`: whom the plan stops for it."""
    jobs = [str(one["job"]) for one in answer.get("gives_way") or []]
    if not jobs:
        return ""
    return f"by stopping {'job' if len(jobs) == 1 else 'jobs'} {', '.join(jobs)}"


def outlook(answer: Row, now: datetime) -> list[tuple[str, str | Text]]:
    """The facts, one a line."""
    starts = f"now, on {', '.join(answer['nodes'])}" if answer.get("starts_now") else ""
    return [
        ("place in line", spell_place(answer)),
        ("starts", starts or spell_start(answer.get("predicted_start"), now)),
        ("at the latest", "" if starts else spell_floor(answer.get("floor_start"), now)),
        ("room kept", spell_reservation(answer, now)),
        ("room made", spell_giving_way(answer)),
    ]


def turn(answer: Row) -> tuple[str, str]:
    """Of a job that runs, if it does so before its turn."""
    early = "before its turn: it gives way when the turn of another comes that needs its place"
    return ("runs", early if answer.get("before_its_turn") else "")


def details(console: Console, answer: Row, now: datetime) -> list[RenderableType]:
    """Why it waits, who holds what it needs, and what would start it now."""
    parts: list[RenderableType] = []
    if answer.get("reasons") and not answer.get("starts_now"):
        parts.append(framed(console, "waits because", reason_lines(answer["reasons"], now)))
    if answer.get("holders") or answer.get("other_holders"):
        parts.append(framed(console, "waits for", *_holders(console, answer, now)))
    if answer.get("changes"):
        parts.append(framed(console, "would start now", _lines(one["sentence"] for one in answer["changes"])))
    return parts


def reason_lines(reasons: Sequence[Row], now: datetime) -> Text:
    """One sentence a line, each with the time when it will probably no longer hold."""
    lines = []
    for reason in reasons:
        until = spell_time_until(reason.get("expected_clear"), now)
        lines.append(f"{reason.get('sentence') or reason.get('code')}{f' Clears {until}.' if until else ''}")
    return _lines(lines)


def _holders(console: Console, answer: Row, now: datetime) -> Iterable[RenderableType]:
    columns = [
        Column("ID", lambda one: str(one["id"]), right=True),
        Column("NAME", lambda one: plain(one["name"]), shrinks=True),
        Column("PROJECT", lambda one: plain(one["project"]), yields=2),
        Column("OWNER", lambda one: plain(one.get("owner")), yields=1),
        Column("NODE", lambda one: plain(one.get("node")), yields=3),
        *([Column("HOLDS", lambda one: held.get(one["id"], ""))] if (held := _amounts(answer)) else []),
        Column("ENDS", lambda one: spell_time_until(one.get("expected_end"), now)),
    ]
    if answer.get("holders"):
        yield make_table(console, columns, answer["holders"])
    if others := answer.get("other_holders"):
        yield plain(f"and {others} of projects that you do not belong to" if answer.get("holders") else _others(others))


def _amounts(answer: Row) -> dict[int, str]:
    """What each job has of a quota, in words: `4 GPU, 16 CPU`."""
    held: dict[int, dict[str, float]] = {}
    for reason in answer.get("reasons") or []:
        for one in reason.get("holds") or []:
            held.setdefault(one["job"], {}).update({name: one[name] for name in NOUNS if name in one})
    return {job: ", ".join(f"{value:g} {NOUNS[name]}" for name, value in of.items()) for job, of in held.items()}


def _others(number: int) -> str:
    return f"{number} {'job' if number == 1 else 'jobs'} of projects that you do not belong to"


def history(console: Console, answer: Row) -> list[RenderableType]:
    """What happened to a job so far."""
    if not answer.get("history"):
        return []
    pairs = [(spell_moment(one["at"]), plain(one["sentence"])) for one in answer["history"]]
    return [framed(console, "what happened", facts(pairs))]


def _lines(lines: Iterable[str]) -> Text:
    return Text("\n").join(plain(line) for line in lines)
