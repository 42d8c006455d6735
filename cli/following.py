"""Staying with a job until it is over."""

import time
from collections.abc import Iterator

from cli.client import Row, Server
from cli.jobs import is_over, spell_reason
from cli.log_stream import Log
from cli.output import note
from cli.patience import Patience

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
GROWTH = 1.3


def follow_to_the_end(server: Server, job: Row, *, with_logs: bool) -> Row:
    """The job as it ended. Its changes of state are told on the way; with `with_logs` also all that it writes."""
    teller, printed = Teller(), 0
    for look in _looks(server, job):
        teller.tell(look)
        job = look
        if with_logs:
            _print_attempts(server, look, printed + 1)
            printed = look["attempt"]
    return job


def print_logs(server: Server, job_id: int, rank: int | None = None) -> None:
    """Print what the job (or this rank of a job over several nodes) writes in its present attempt and all later ones, until it is over."""
    job = server.get(f"jobs/{job_id}")
    teller, printed = Teller(), max(job["attempt"] - 1, 0)
    for look in _looks(server, job):
        if not look["attempt"]:
            teller.tell(look)
        _print_attempts(server, look, printed + 1, rank)
        printed = look["attempt"]


def _print_attempts(server: Server, job: Row, first: int, rank: int | None = None) -> None:
    """Print the attempts from `first` to the present one, each to its end."""
    for number in range(first, job["attempt"] + 1):
        if number > 1:
            note(f"--- attempt {number} ---")
        Log(server, job["id"], number, rank).print_to_the_end()


def _looks(server: Server, job: Row) -> Iterator[Row]:
    """The job again and again, less and less often, until it is over."""
    patience, pause = Patience(), FIRST_PAUSE_SECONDS
    while not is_over(job):
        yield job
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
        job = patience.ask(server.get, f"jobs/{job['id']}")
    yield job


class Teller:
    """Says each thing about a job once, on standard error."""

    def __init__(self) -> None:
        self._said = ""

    def tell(self, job: Row) -> None:
        sentence = describe(job)
        if sentence != self._said:
            self._said = sentence
            note(f"{time.strftime('%H:%M:%S')} job {job['id']} {sentence}")


def describe(job: Row) -> str:
    """Its state in a few words: where it runs, or why it waits. How it ended is told by who asked to follow it."""
    state = str(job["state"])
    if state in ("queued", "assigned", "running") and job.get("node"):
        again = f", attempt {job['attempt']}" if job["attempt"] > 1 else ""
        return f"{state} on {job['node']}{again}"
    why = "" if is_over(job) else spell_reason(job)
    return f"{state}: {why}" if why else state
