"""A job in a sentence, and in a row of a table."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.table import Table

from cli.client.requests import Row
from cli.durations import parse_timestamp, spell, spell_between
from cli.views.tables import Column, bar, coloured_state, make_table, plain
from trainyard.job_words import OVER, is_over, spell_end, spell_exit, spell_reason, spell_state

__all__ = [
    "OVER", "is_over", "job_columns", "jobs_table", "spell_end", "spell_exit", "spell_hardware", "spell_priority",
    "spell_reason", "spell_run", "spell_starts_in", "spell_state", "spell_wait",
]  # fmt: skip

URGENT, NORMAL = 70, 30


def spell_priority(priority: int) -> str:
    word = "urgent" if priority >= URGENT else "normal" if priority >= NORMAL else "background"
    return f"{priority} {word}"


def spell_hardware(resources: Row) -> str:
    """`2 GPU h100`, `4 CPU zone=a`, `2 x 8 GPU`."""
    many = f"{resources['nodes']} x " if resources.get("nodes", 1) > 1 else ""
    labels = [f"{name}={value}" for name, value in sorted((resources.get("node_labels") or {}).items())]
    return many + " ".join([*_devices(resources), *labels])


def _devices(resources: Row) -> list[str]:
    if not resources.get("gpus"):
        return [f"{resources.get('cpus', 1)} CPU"]
    memory = f"{resources['gpu_memory_gb']:g} GB" if resources.get("gpu_memory_gb") else ""
    return [part for part in (f"{resources['gpus']} GPU", resources.get("gpu_model"), memory) if part]


def job_columns(now: datetime) -> list[Column]:
    return [
        Column("ID", lambda job: str(job["id"]), right=True),
        Column("NAME", lambda job: plain(job["name"]), shrinks=True),
        Column("PROJECT", lambda job: plain(job["project"]), yields=5),
        Column("QUEUE", lambda job: plain(job["queue"]), yields=6),
        Column("PRIORITY", lambda job: spell_priority(job["priority"]), yields=4),
        Column("HARDWARE", lambda job: plain(spell_hardware(job["resources"])), yields=3),
        Column("STATE", lambda job: coloured_state(job["state"], spell_state(job))),
        Column("NODE", lambda job: plain(job.get("node")), yields=2),
        Column("PROGRESS", lambda job: bar(job.get("progress"))),
        Column("WAITED", lambda job: spell_wait(job, now), right=True, yields=7),
        Column("STARTS", lambda job: spell_starts_in(job, now), right=True, yields=3),
        Column("RAN", lambda job: spell_run(job, now), right=True),
        Column("REASON", lambda job: plain(spell_reason(job)), shrinks=True),
    ]


def jobs_table(console: Console, jobs: Iterable[Row], now: datetime) -> Table:
    return make_table(console, job_columns(now), jobs)


def spell_wait(job: Row, now: datetime) -> str:
    return spell_between(job.get("created_at"), job.get("started_at") or job.get("finished_at"), now)


def spell_starts_in(job: Row, now: datetime) -> str:
    """How far off the start of a waiting job probably is: `in 12m 05s`."""
    expected = parse_timestamp(job.get("predicted_start")) if job["state"] == "pending" else None
    return f"in {spell((expected - now).total_seconds())}" if expected else ""


def spell_run(job: Row, now: datetime) -> str:
    """For how long it has run, all attempts together: that stands still while the job rests."""
    if "run_seconds" in job:
        since = parse_timestamp(job.get("running_since"))
        now_running = (now - since).total_seconds() if since else 0.0
        return "" if job["run_seconds"] is None else spell(job["run_seconds"] + max(now_running, 0.0))
    rests = job["state"] not in (*OVER, "running")  # what a server said that knew no better
    return "" if rests else spell_between(job.get("started_at"), job.get("finished_at"), now)
