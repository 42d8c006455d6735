"""The sweep as it runs: a live table at a terminal, a line for each change elsewhere."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from local_stack.demo.rest import DemoRest
from scheduling.priorities import class_of

Job = dict[str, Any]
OVER = frozenset({"completed", "failed", "cancelled"})
COLOURS = {"completed": "green", "running": "cyan", "failed": "red", "cancelled": "red", "pending": "dim"}
POLL_SECONDS = 0.5
JUST_SUBMITTED = "new"  # the reason of a job that no cycle has looked at yet


class Reasons:
    """Why each job waited, as far as anybody saw it: the platform keeps the reasons of now."""

    def __init__(self) -> None:
        self._sentences: dict[int, dict[str, str]] = {}

    def note(self, jobs: list[Job]) -> None:
        for job in jobs:
            for reason in job["reasons"]:
                if reason["code"] != JUST_SUBMITTED:
                    self._sentences.setdefault(job["id"], {})[reason["code"]] = reason["sentence"]

    def of(self, job: Job) -> str:
        return " ".join(self._sentences.get(job["id"], {}).values())


def follow(
    rest: DemoRest, workload: str, *, console: Console, reasons: Reasons, seconds: float, look: Callable[[], None]
) -> list[Job]:
    """Show the jobs until all are over, or the time is; returns them as they were last seen. `look` is called each time."""
    watched = _poll(rest, workload, reasons, seconds, look)
    return _follow_in_table(watched, console) if console.is_terminal else _follow_in_lines(watched, console)


def _poll(
    rest: DemoRest, workload: str, reasons: Reasons, seconds: float, look: Callable[[], None]
) -> Iterator[list[Job]]:
    give_up_at = time.monotonic() + seconds
    while True:
        jobs = rest.jobs(workload)
        reasons.note(jobs)
        look()
        yield jobs
        if all(job["state"] in OVER for job in jobs) or time.monotonic() > give_up_at:
            return
        time.sleep(POLL_SECONDS)


def _follow_in_table(watched: Iterator[list[Job]], console: Console) -> list[Job]:
    jobs: list[Job] = []
    with Live(console=console, auto_refresh=False) as live:
        for jobs in watched:
            live.update(progress_table(jobs), refresh=True)
    return jobs


def _follow_in_lines(watched: Iterator[list[Job]], console: Console) -> list[Job]:
    jobs: list[Job] = []
    seen: dict[int, str] = {}
    for jobs in watched:
        for job in jobs:
            if seen.get(job["id"]) != job["state"]:
                console.print(_line(job), soft_wrap=True)
            seen[job["id"]] = job["state"]
    return jobs


def _line(job: Job) -> str:
    node = f" on {job['node']}" if job["node"] else ""
    score = f", accuracy {job['metrics']['accuracy']:.4f}" if "accuracy" in job["metrics"] else ""
    return f"{job['name']}: {job['state']}{node}{score}"


def progress_table(jobs: list[Job]) -> Table:
    done = sum(job["state"] in OVER for job in jobs)
    title = f"{done} of {len(jobs)} runs are over"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))  # fits 80 columns
    for heading in ("Run", "On", "Priority", "State", "Node", "Progress", "Loss", "Wait"):
        table.add_column(heading, justify="right" if heading in {"Loss", "Wait"} else "left", no_wrap=True)
    for job in jobs:
        table.add_row(*_cells(job))
    return table


def _cells(job: Job) -> list[Any]:
    colour = COLOURS.get(job["state"], "yellow")
    loss = f"{job['metrics']['loss']:.3f}" if "loss" in job["metrics"] else ""
    bar = ProgressBar(total=1, completed=job["progress"] or 0, width=12)
    state = f"[{colour}]{job['state']}[/]"
    return [
        job["name"],
        job["hardware"],
        class_of(job["priority"]),
        state,
        job["node"] or "",
        bar,
        loss,
        wait_text(job),
    ]


def wait_text(job: Job) -> str:
    seconds = seconds_waited(job)
    return f"{seconds:.1f} s" if seconds is not None else ""


def seconds_waited(job: Job) -> float | None:
    """From submission to the start of the command; empty while it has not started."""
    if not job["started_at"]:
        return None
    return (datetime.fromisoformat(job["started_at"]) - datetime.fromisoformat(job["created_at"])).total_seconds()
