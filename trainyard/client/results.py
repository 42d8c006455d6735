"""What came of a function that ran as a job: its result, or why there is none."""

import json
import time
from typing import Any

from trainyard.calls import run
from trainyard.calls.packing import unpickled
from trainyard.client import waiting
from trainyard.client.logs import last_lines
from trainyard.client.outputs import COMING, Outputs, outputs_of
from trainyard.errors import FunctionError, NotFoundError, ResultError, UnsuccessfulError, WaitTimeoutError
from trainyard.http.patience import Patience
from trainyard.http.requests import Row, Server
from trainyard.job_words import spell_ending

RESULT, FAILURE = f"{run.FOLDER}/{run.RESULT}", f"{run.FOLDER}/{run.FAILURE}"
FAILURE_SECONDS = 30.0
"""So long what a failed job left is waited for: its log says the same in other words."""


def result_of(server: Server, job: Row, *, timeout: float | None = None) -> Any:
    """Of a job that is over. Raises `FunctionError`, `UnsuccessfulError` or `ResultError`."""
    if job["state"] != "completed":
        raise failure_of(server, job)
    found = settled(server, job, timeout=timeout)
    try:
        content = found.read(RESULT)
    except NotFoundError as error:
        raise ResultError(_no_result(job, found.state)) from error
    try:
        return unpickled(content)
    except Exception as error:
        raise ResultError(
            f"the result of job {job['id']} cannot be read here: {type(error).__name__}: {error}"
        ) from error


def _no_result(job: Row, state: str) -> str:
    """By what became of all that its attempt left."""
    why = {
        "lost": "its node went before it had brought what the job left",
        "forgotten": "what it left is kept no longer",
    }.get(state, "only jobs of submit_function and map have one")
    return f"job {job['id']} has no result here: {why}."


def failure_of(server: Server, job: Row) -> UnsuccessfulError:
    """Why a job did not complete: what its function raised, else how it ended and the last lines that it wrote."""
    sentence = spell_ending(job)
    facts = [{name: job.get(name) for name in ("id", "state", "end_reason", "exit_code", "message")}]
    if job["state"] == "failed" and job.get("exit_code") == 1 and (told := _told(server, job)):
        words = f"job {job['id']}: {told['type']}: {told['message']}"
        return FunctionError(words, type_name=told["type"], traceback=told["traceback"], jobs=facts)
    return UnsuccessfulError(sentence, *last_lines(server, job), jobs=facts)


def settled(server: Server, job: Row, *, timeout: float | None = None) -> Outputs:
    """What its last attempt left, once its node has brought it; raises `WaitTimeoutError`."""
    began, pause, patience = time.monotonic(), waiting.FIRST_PAUSE_SECONDS, Patience()
    while True:
        found = patience.ask(outputs_of, server, job["id"], attempt=job["attempt"])
        if found.state != COMING:
            return found
        if timeout is not None and time.monotonic() - began >= timeout:
            raise WaitTimeoutError(f"job {job['id']} is over, but its node has not brought yet what it left.")
        time.sleep(pause)
        pause = min(pause * waiting.GROWTH, waiting.LONGEST_PAUSE_SECONDS)


def _told(server: Server, job: Row) -> Row | None:
    """What the call wrote down of its failure; None where that is not to be had."""
    try:
        told: Row = json.loads(settled(server, job, timeout=FAILURE_SECONDS).read(FAILURE))
    except (NotFoundError, WaitTimeoutError, ValueError):
        return None
    return told
