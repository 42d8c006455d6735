"""Staying with a job until it is over: asks the server again and again, and says what changes."""

import time
from collections.abc import Callable, Iterator, Sequence

from cli.client.log_stream import Log
from cli.client.patience import Patience
from cli.client.requests import Row, Server
from cli.errors import CommandError
from cli.output import note
from cli.views.jobs import is_over
from trainyard.job_words import describe

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
GROWTH = 1.3
ENDED = frozenset({"completed", "failed", "cancelled", "empty"})
"""States of a workload in which nothing more happens of itself."""


def follow_to_the_end(server: Server, job: Row, *, with_logs: bool) -> Row:
    """The job as it ended. Its changes of state are told on the way; with `with_logs` also all that it writes."""
    states, printed = StateNotes(), 0
    for seen in _poll(server, job):
        states.announce(seen)
        job = seen
        if with_logs:
            _print_attempts(server, seen, printed + 1)
            printed = seen["attempt"]
    return job


def print_logs(server: Server, job_id: int, rank: int | None = None, tail: int | None = None) -> None:
    """Print what the job (or this rank of a job over several nodes) writes in its present attempt and all later ones, until it is over.

    With `tail`, only so many lines of what the present attempt has written by now.
    """
    job = server.get(f"jobs/{job_id}")
    states, printed = StateNotes(), max(job["attempt"] - 1, 0)
    tail = tail if job["attempt"] else None
    for seen in _poll(server, job):
        if not seen["attempt"]:
            states.announce(seen)
        _print_attempts(server, seen, printed + 1, rank, tail)
        printed, tail = seen["attempt"], None


def _print_attempts(server: Server, job: Row, first: int, rank: int | None = None, tail: int | None = None) -> None:
    """Print the attempts from `first` to the present one, each to its end; of the first one perhaps only its tail."""
    for number in range(first, job["attempt"] + 1):
        if number > 1:
            note(f"--- attempt {number} ---")
        log = Log(server, job["id"], number, rank)
        if tail is not None and number == first:
            log.skip_to_last(tail)
        log.print_to_the_end()


def wait_for(
    server: Server,
    job_ids: Sequence[int],
    arrived: Callable[[Row], bool],
    *,
    seconds: float | None = None,
    on_poll: Callable[[Row], None] = lambda _job: None,
) -> list[Row]:
    """The jobs as they were when each had `arrived`; `on_poll` gets every answer of the server. Raises `CommandError` after `seconds`."""
    patience, pause, began = Patience(), FIRST_PAUSE_SECONDS, time.monotonic()
    jobs = {job_id: server.get(f"jobs/{job_id}") for job_id in job_ids}
    while True:
        for job in jobs.values():
            on_poll(job)
        left = [job_id for job_id, job in jobs.items() if not (arrived(job) or is_over(job))]
        if not left:
            return list(jobs.values())
        if seconds is not None and time.monotonic() - began + pause > seconds:
            raise CommandError(*(f"job {job_id} is still {describe(jobs[job_id])}" for job_id in left))
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
        jobs |= {job_id: patience.ask(server.get, f"jobs/{job_id}") for job_id in left}


def wait_for_workload(server: Server, workload: Row) -> Row:
    """The workload once all of its jobs have ended, however many they are; how far it is is told on the way."""
    patience, pause, said = Patience(), FIRST_PAUSE_SECONDS, ""
    while workload["state"] not in ENDED:
        told = f"workload {workload['name']} {workload['state']}: {workload['done']} of {workload['jobs']} have ended"
        if told != said:
            note(f"{time.strftime('%H:%M:%S')} {told}")
            said = told
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
        workload = patience.ask(server.get, f"workloads/{workload['id']}")
    return workload


def _poll(server: Server, job: Row) -> Iterator[Row]:
    """The job again and again, less and less often, until it is over."""
    patience, pause = Patience(), FIRST_PAUSE_SECONDS
    while not is_over(job):
        yield job
        time.sleep(pause)
        pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
        job = patience.ask(server.get, f"jobs/{job['id']}")
    yield job


class StateNotes:
    """Says each state of a job once, on standard error."""

    def __init__(self) -> None:
        self._said = ""

    def announce(self, job: Row) -> None:
        sentence = describe(job)
        if sentence != self._said:
            self._said = sentence
            note(f"{time.strftime('%H:%M:%S')} job {job['id']} {sentence}")
