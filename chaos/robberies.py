"""What may be seen of a job of which somebody deleted files while it ran: its command fails, as any would, and says so.

With its own files its checkpoints go, for that attempt and the next ones; with what its node keeps of it, its /tmp goes, and
the way to whatever lies below. Excused is that attempt alone, and only where the platform has on record what happened: the
command's own words in the log, or why it could not enter its folder, naming what was deleted or a folder around it.
"""

import re
from collections.abc import Iterable

from chaos.history import Attempted, History, Printed, Recorded, Robbed
from chaos.submitting import Accepted
from chaos.workload import Kind
from scheduling.lifecycle import EndReason

TRACEBACK = b"Traceback (most recent call last):\n"
NAMED = re.compile(rb"^\w*Error: \[Errno \d+\] [^']*'([^']*)'", re.MULTILINE)
BY_EXCEPTION, BY_ITSELF = 1, 3
"""With these codes a command ends that fails over its files, and a flaky one that knows of no failure before."""


def excuse_of_end(history: History, accepted: Accepted, job: Recorded) -> str:
    """Why the job may have ended as it did; empty where nothing excuses it. Its last attempt is what ended it."""
    robbed = [one for one in history.robbed if one.job_id == job.job_id]
    attempt = job.attempts[-1] if job.attempts else None
    if attempt is None or not robbed:
        return ""
    if accepted.plan.kind == Kind.FLAKY and _forgot(job, attempt, robbed):
        return "somebody had deleted by what it knew that it had failed before"
    these = [one for one in robbed if _while_it_ran(one, attempt)]
    logs = [log for log in history.logs if (log.job_id, log.attempt) == (job.job_id, attempt.number)]
    said = attempt.end_reason == EndReason.EXIT_CODE and job.exit_code == BY_EXCEPTION
    told = said and any(_tells(log.text, one) for log in logs for one in these)
    return _sentence(attempt) if told or any(_could_not_enter(attempt, one) for one in these) else ""


def excused_output(history: History, log: Printed, attempt: Attempted | None) -> tuple[bytes, str]:
    """What the command printed before it failed over its files, and the excuse for the rest; else all of it, and none."""
    these = (one for one in history.robbed if one.job_id == log.job_id and attempt and _while_it_ran(one, attempt))
    if attempt is None or not any(_tells(log.text, one) for one in these):
        return log.text, ""
    return log.text.partition(TRACEBACK)[0], _sentence(attempt)


def _while_it_ran(robbed: Robbed, attempt: Attempted) -> bool:
    return robbed.attempt == attempt.number and (attempt.ended is None or robbed.at <= attempt.ended)


def _forgot(job: Recorded, attempt: Attempted, robbed: Iterable[Robbed]) -> bool:
    """A flaky job fails once, and remembers that in its own files: without them it fails once more, beside the attempt that lost them."""
    failures = sum(one.end_reason == EndReason.EXIT_CODE for one in job.attempts)
    most = 1 + sum(2 if one.own_files else 1 for one in robbed)
    return attempt.end_reason == EndReason.EXIT_CODE and job.exit_code == BY_ITSELF and failures <= most


def _tells(text: bytes, robbed: Robbed) -> bool:
    """Whether it has an exception over a path of the job's own, or over a folder around all that its node keeps."""
    _, begun, rest = text.partition(TRACEBACK)
    paths = [path.decode(errors="replace") for path in NAMED.findall(rest)] if begun else []
    return any(_is_gone(path, robbed) for path in paths)


def _is_gone(path: str, robbed: Robbed) -> bool:
    own = f"/jobs/{robbed.job_id}/" in f"{path}/"
    return own or (not robbed.own_files and f"{robbed.home}/".startswith(f"{path}/"))


def _could_not_enter(attempt: Attempted, robbed: Robbed) -> bool:
    return attempt.end_reason == EndReason.START_FAILED and f"/jobs/{robbed.job_id}/" in attempt.message


def _sentence(attempt: Attempted) -> str:
    return f"somebody had deleted what attempt {attempt.number} worked with"
