"""What may be seen of a job whose own files somebody deleted while it ran: its command fails, as any would, and says so.

Excused is that attempt alone, and only where the command was not heard of once its files were gone and the platform has on
record what happened: the command's own words in the log, or why it could not enter its folder, naming what was deleted.
"""

import re
from collections.abc import Iterator

from chaos.history import Attempted, History, Printed, Recorded, Robbed
from scheduling.lifecycle import EndReason

TRACEBACK = b"Traceback (most recent call last):\n"
FAILED = 1
"""With this Python ends by an exception."""


def excuse_of_end(history: History, job: Recorded) -> str:
    """Why the job may have ended as it did; empty where nothing excuses it. Its last attempt is what ended it."""
    attempt = job.attempts[-1] if job.attempts else None
    robbed = _robbery(history, job.job_id, attempt.number) if attempt else None
    if attempt is None or robbed is None:
        return ""
    told = attempt.end_reason == EndReason.EXIT_CODE and job.exit_code == FAILED and any(_logs(history, robbed))
    return _sentence(robbed) if told or _could_not_enter(attempt, job.job_id) else ""


def excused_output(history: History, log: Printed) -> tuple[bytes, str]:
    """What the command printed before it failed over its files, and the excuse for the rest; else all of it, and none."""
    robbed = _robbery(history, log.job_id, log.attempt)
    if robbed is None or not _names_folder(log.text, log.job_id):
        return log.text, ""
    return log.text.partition(TRACEBACK)[0], _sentence(robbed)


def _robbery(history: History, job_id: int, attempt: int) -> Robbed | None:
    """The one after whose end no run of the attempt showed a sign of life."""
    last = max((run.last for run in history.runs if (run.job_id, run.attempt) == (job_id, attempt)), default=0.0)
    those = (one for one in history.robbed if (one.job_id, one.attempt) == (job_id, attempt) and one.own_files)
    return next((one for one in those if last <= one.ended), None)


def _logs(history: History, robbed: Robbed) -> Iterator[bool]:
    """Of each member's log, whether it tells of what was deleted."""
    for log in history.logs:
        if (log.job_id, log.attempt) == (robbed.job_id, robbed.attempt):
            yield _names_folder(log.text, log.job_id)


def _names_folder(text: bytes, job_id: int) -> bool:
    """Whether it ends in an exception over a path of the job's own."""
    _, begun, rest = text.partition(TRACEBACK)
    return bool(begun and re.search(rb"^\w*Error: \[Errno \d+\] .*/jobs/%d/" % job_id, rest, re.MULTILINE))


def _could_not_enter(attempt: Attempted, job_id: int) -> bool:
    return attempt.end_reason == EndReason.START_FAILED and f"/jobs/{job_id}/" in attempt.message


def _sentence(robbed: Robbed) -> str:
    return f"somebody had deleted what attempt {robbed.attempt} worked with"
