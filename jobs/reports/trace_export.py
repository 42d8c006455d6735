"""The platform's own history as a trace that `trainyard simulate` replays: one line a job that is over."""

import csv
import hmac
import secrets
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TextIO

from jobs.models import Job
from scheduling.lifecycle import TERMINAL_STATES

COLUMNS = (
    "job_id", "submit_s", "duration_s", "nodes", "gpus", "cpus", "mem_gb", "user", "group", "priority",
    "requested_walltime_s", "status", "deadline_s",
)  # fmt: skip
"""As the simulator reads them; GPUs, CPUs and memory are those of all nodes together."""
NO_LIMIT = "none"
"""In place of a walltime: the job was given none. An empty cell would say that nobody knows."""
DIGITS_OF_A_NAME = 12
MEGABYTES = 1024

Naming = Callable[[str], str]


def write_trace(lines: TextIO, *, since: datetime | None = None, naming: Naming = str) -> int:
    """Write the jobs that are over, in the order of their submission, times from the first one on; returns how many.

    Those submitted before `since` are left out. `naming` says how users and projects are called.
    """
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for count, row in enumerate(_rows(since, naming), start=1):  # noqa: B007 - the last one is the answer
        writer.writerow(row)
    return count


def anonymous() -> Naming:
    """Names that nobody can trace back, as their key is forgotten; a name is called the same all through one export."""
    key = secrets.token_bytes(32)

    def naming(name: str) -> str:
        return name and hmac.digest(key, name.encode(), "sha256").hex()[:DIGITS_OF_A_NAME]

    return naming


def _rows(since: datetime | None, naming: Naming) -> Iterator[tuple[object, ...]]:
    over = Job.objects.filter(state__in=TERMINAL_STATES).select_related("project", "owner")
    if since is not None:
        over = over.filter(created_at__gte=since)
    first: datetime | None = None
    for job in over.order_by("created_at", "pk").iterator(chunk_size=1000):
        first = first or job.created_at
        yield (
            job.pk,
            _seconds(first, job.created_at),
            _seconds(job.started_at, job.finished_at),
            job.nodes,
            job.gpus * job.nodes,
            job.cpus * job.nodes,
            round(job.memory_mb * job.nodes / MEGABYTES, 3),
            naming(job.owner.get_username() if job.owner else ""),
            naming(job.project.slug),
            job.priority,
            job.max_runtime_seconds or NO_LIMIT,
            job.state,
            _seconds(first, job.deadline),
        )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    """To the millisecond; None for what never started."""
    return None if start is None or end is None else max(0.0, round((end - start).total_seconds(), 3))
