"""A job in a sentence, and in a row of a table."""

import signal
from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.table import Table

from cli.client.requests import Row
from cli.durations import parse_timestamp, spell, spell_between
from cli.views.tables import Column, bar, coloured_state, make_table, plain

OVER = frozenset({"completed", "failed", "cancelled"})
"""The states in which a job is over."""

URGENT, NORMAL = 70, 30
SIGNALS_FROM = 128


def is_over(job: Row) -> bool:
    return job["state"] in OVER


LEAVING = {
    "cancel": "being cancelled",
    "requeue": "being requeued",
    "pause": "being paused",
    "preempt": "giving way",
    "idle": "being stopped, GPUs idle",
}
"""What is wished of a job that is on its nodes, as people say it."""


def spell_state(job: Row) -> str:
    """`running`, `running (suspended)`, `pending (held by ann)`, `running (being paused)`, `running (GPUs idle)`."""
    held = job.get("held")
    remark = "suspended" if job.get("suspended") else LEAVING.get(job.get("desired") or "", "")
    if not remark and job.get("gpus_idle_since"):
        remark = "GPUs idle"
    if held and not is_over(job):
        remark = f"held by {held['by']}"
    return f"{job['state']} ({remark})" if remark else str(job["state"])


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


def spell_reason(job: Row) -> str:
    """Why the job waits, or why it ended; the first reason of several."""
    reasons = job.get("reasons") or []
    if reasons and not is_over(job):
        return str(reasons[0].get("sentence") or reasons[0].get("code") or "")
    return spell_end(job) if job["state"] in ("failed", "cancelled") else ""


def spell_end(job: Row) -> str:
    """`exit code 3`, `timeout: ...`: why it ended, and what the platform said about it."""
    ended, message = job.get("end_reason") or "", job.get("message") or ""
    if ended == "exit_code" and job.get("exit_code") is not None:
        return spell_exit(job)
    if ended == "completed" or (ended == job.get("state") and message):
        return message
    return ": ".join(part for part in (ended.replace("_", " "), message) if part)


def spell_exit(job: Row) -> str:
    """`exit code 3`, `exit code 143 (SIGTERM)`; nothing where no command ended."""
    code = job.get("exit_code")
    return "" if code is None else f"exit code {code}{_signal(code)}"


def _signal(exit_code: int) -> str:
    """The signal that an exit code stands for, as shells count."""
    numbers = {number.value: number.name for number in signal.Signals}
    name = numbers.get(exit_code - SIGNALS_FROM)
    return f" ({name})" if name else ""


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
