"""Which columns a list of jobs shows, and in which order its rows come."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cli.client.requests import Row
from cli.durations import parse_timestamp, spell_moment
from cli.errors import UsageError
from cli.views.jobs import job_columns
from cli.views.tables import Column, plain

MOST_SORTED = 5_000
"""Jobs, the newest: so many are fetched to be put in an order that the server does not have."""
BY_SERVER = ("id", "priority")


def _moment(name: str) -> Callable[[Row], str]:
    return lambda job: spell_moment(job[name]) if job.get(name) else ""


def _seconds_between(job: Row, begin: str, end: str, now: datetime) -> float | None:
    began, ended = parse_timestamp(job.get(begin)), parse_timestamp(job.get(end))
    return None if began is None else ((ended or now) - began).total_seconds()


def known_columns(now: datetime) -> dict[str, Column]:
    """All columns by their titles: those of the list, and those that are shown when they are asked for."""
    more = [
        Column("OWNER", lambda job: plain(job.get("owner"))),
        Column(
            "LABELS", lambda job: plain(", ".join(f"{k}={v}" for k, v in sorted((job.get("labels") or {}).items())))
        ),
        Column("ATTEMPT", lambda job: str(job.get("attempt") or ""), right=True),
        Column("EXIT", lambda job: "" if job.get("exit_code") is None else str(job["exit_code"]), right=True),
        Column("LATEST", _moment("floor_start")),
        Column("CREATED", _moment("created_at")),
        Column("STARTED", _moment("started_at")),
        Column("FINISHED", _moment("finished_at")),
    ]
    return {column.title: column for column in (*job_columns(now), *more)}


def chosen_columns(words: str | None, now: datetime) -> Sequence[Column]:
    """The columns that were asked for, all of them whatever the width; without words, those of the list."""
    if words is None:
        return job_columns(now)
    known = known_columns(now)
    names = [word.strip().upper() for word in words.split(",") if word.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        what = f"there is no column {', '.join(unknown).lower()}" if unknown else "name at least one column"
        raise UsageError(f"--columns: {what}; there are: {', '.join(known).lower()}.")
    return [replace(known[name], yields=0) for name in names]


def sort_keys(now: datetime) -> dict[str, Callable[[Row], Any]]:
    """What rows are put in order by; nothing known is None."""
    plainly = {name: _field(name) for name in ("id", "priority", "name", "project", "queue", "owner", "state", "node")}
    moments = {name: _field(f"{name}_at") for name in ("created", "started", "finished")}
    return {
        **plainly,
        "progress": _field("progress"),
        **moments,
        "starts": _field("predicted_start"),
        "waited": lambda job: _seconds_between(job, "created_at", "started_at", now),
        "ran": lambda job: _seconds_between(job, "started_at", "finished_at", now),
    }


def checked_order(word: str) -> str:
    """Raises `UsageError` with the orders there are."""
    known = sort_keys(datetime.min.replace(tzinfo=UTC))
    if word.removeprefix("-") not in known:
        raise UsageError(
            f"--sort: there is no order '{word}'; there are: {', '.join(known)}, each also with - before it."
        )
    return word


def in_order(jobs: Sequence[Row], word: str, now: datetime) -> list[Row]:
    """The rows in that order, backwards with `-`; those of which it is not known come last either way."""
    key = sort_keys(now)[word.removeprefix("-")]
    known = sorted((job for job in jobs if key(job) is not None), key=key, reverse=word.startswith("-"))
    return [*known, *(job for job in jobs if key(job) is None)]


def _field(name: str) -> Callable[[Row], Any]:
    return lambda job: job.get(name)
