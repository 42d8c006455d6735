"""What is said of jobs that were waited for and did not complete: how they ended, and the last lines that they wrote."""

from collections.abc import Sequence
from contextlib import suppress

from cli.client.log_stream import Log
from cli.client.requests import Row, Server
from cli.errors import CommandError, UnsuccessfulError
from cli.output import note, quote
from trainyard.job_words import spell_ending

LAST_LINES = 20
OTHERS = ("", "completed", "cancelled", "preempted")
"""Ends of a gang's members that were not the first to fail."""


def require_success(server: Server, jobs: Sequence[Row], *, with_logs: bool = True) -> None:
    """Raise `UnsuccessfulError` unless all completed; before it, `with_logs`, the end of each one's log is shown."""
    failed = [job for job in jobs if job["state"] != "completed"]
    if not failed:
        return
    told = [{**_facts(job), "log_end": last_lines(server, job) if with_logs else []} for job in failed]
    for one in told:
        if one["log_end"]:
            note(f"--- the end of the log of job {one['id']} ---")
            for line in one["log_end"]:
                quote(line)
    raise UnsuccessfulError(*map(spell_ending, failed), jobs=told)


def last_lines(server: Server, job: Row) -> list[str]:
    """The end of what its last attempt wrote; nothing where there is none to be had."""
    if not job.get("attempt"):
        return []
    with suppress(CommandError, KeyError):
        return Log(server, job["id"], job["attempt"], _rank_that_failed(server, job)).last_lines(LAST_LINES)[
            -LAST_LINES:
        ]
    return []


def _rank_that_failed(server: Server, job: Row) -> int | None:
    if job["resources"].get("nodes", 1) == 1:
        return None
    placements = server.rows(f"jobs/{job['id']}/attempts")[-1].get("placements") or []
    return next((one["rank"] for one in placements if (one.get("end_reason") or "") not in OTHERS), None)


def _facts(job: Row) -> Row:
    return {name: job.get(name) for name in ("id", "state", "end_reason", "exit_code", "message")}


def require_all(workload: Row) -> None:
    """Raises `UnsuccessfulError` unless every job of the workload completed, with the first failure."""
    if workload["state"] == "completed":
        return
    first = workload["first_failure"]
    why = f"; first job {first['job']} {first['name']}: {first['message'] or first['end_reason']}" if first else ""
    completed = workload["counts"].get("completed", 0)
    raise UnsuccessfulError(
        f"workload {workload['name']} is {workload['state']}: {completed} of {workload['jobs']} jobs completed{why}"
    )
