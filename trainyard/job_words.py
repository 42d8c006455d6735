"""How a job stands and how it ended, in words for a person."""

import signal
from typing import Any

Row = dict[str, Any]

OVER = frozenset({"completed", "failed", "cancelled"})
"""The states in which a job is over."""
SIGNALS_FROM = 128
LEAVING = {
    "cancel": "being cancelled",
    "requeue": "being requeued",
    "pause": "being paused",
    "preempt": "giving way",
    "idle": "being stopped, GPUs idle",
}
"""What is wished of a job that is on its nodes, as people say it."""


def is_over(job: Row) -> bool:
    return job["state"] in OVER


def spell_state(job: Row) -> str:
    """`running`, `running (suspended)`, `pending (held by ann)`, `running (being paused)`, `running (GPUs idle)`."""
    held = job.get("held")
    remark = "suspended" if job.get("suspended") else LEAVING.get(job.get("desired") or "", "")
    if not remark and job.get("gpus_idle_since"):
        remark = "GPUs idle"
    if held and not is_over(job):
        remark = f"held by {held['by']}"
    return f"{job['state']} ({remark})" if remark else str(job["state"])


def spell_reason(job: Row) -> str:
    """Why the job waits, or why it ended; the first reason of several."""
    reasons = job.get("reasons") or []
    if reasons and not is_over(job):
        return str(reasons[0].get("sentence") or reasons[0].get("code") or "")
    return spell_end(job) if job["state"] in ("failed", "cancelled") else ""


def describe(job: Row) -> str:
    """Its state in a few words: where it runs, or why it waits. How it ended is told by who asked to follow it."""
    state = str(job["state"])
    if state in ("queued", "assigned", "running") and job.get("node"):
        again = f", attempt {job['attempt']}" if job["attempt"] > 1 else ""
        return f"{state} on {job['node']}{again}"
    why = "" if is_over(job) else spell_reason(job)
    return f"{state}: {why}" if why else state


def spell_ending(job: Row) -> str:
    """`job 17 failed: timeout: ... (exit code 143, SIGTERM)`."""
    how = spell_end(job) or "no reason was given"
    code = spell_exit(job)
    return f"job {job['id']} {job['state']}: {how}" + (f" ({code})" if code and code not in how else "")


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
