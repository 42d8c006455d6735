"""Workloads: named sets of jobs that people start, pause and end together. What is wanted of one, and how it stands."""

from collections.abc import Mapping
from enum import StrEnum

from scheduling.lifecycle import PLACED_STATES, TERMINAL_STATES, JobState


class Wanted(StrEnum):
    """What people want of a workload; whatever its jobs do, this is brought about."""

    HELD = "held"  # not started yet: its jobs wait
    OPEN = "open"  # its jobs start in their turn
    PAUSED = "paused"  # what runs saves its work and leaves; nothing of it starts
    CANCELLED = "cancelled"  # all that has not ended is cancelled, and it takes no new jobs


class Phase(StrEnum):
    """How a workload stands, by what is wanted of it and by what its jobs do."""

    EMPTY = "empty"  # it has no jobs
    HELD = "held"
    WAITING = "waiting"  # none of its jobs runs
    RUNNING = "running"
    PAUSING = "pausing"  # some of its jobs still run
    PAUSED = "paused"
    CANCELLING = "cancelling"  # some of its jobs have not ended yet
    COMPLETED = "completed"  # all have ended, and none failed or was cancelled
    FAILED = "failed"  # all have ended, and one failed
    CANCELLED = "cancelled"  # all have ended, none failed, and one was cancelled


OVER = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED})
Counts = Mapping[JobState, int]


def phase_of(wanted: Wanted, counts: Counts) -> Phase:
    """How it stands with so many jobs in each state."""
    open_jobs = sum(number for state, number in counts.items() if state not in TERMINAL_STATES)
    runs = any(counts.get(state, 0) for state in PLACED_STATES)
    if not open_jobs and any(counts.values()):
        return _ended(counts)
    if wanted is Wanted.CANCELLED:
        return Phase.CANCELLING if open_jobs else Phase.CANCELLED
    if wanted is Wanted.HELD:
        return Phase.HELD
    if wanted is Wanted.PAUSED:
        return Phase.PAUSING if runs else Phase.PAUSED
    if not open_jobs:
        return Phase.EMPTY
    return Phase.RUNNING if runs else Phase.WAITING


def _ended(counts: Counts) -> Phase:
    if counts.get(JobState.FAILED, 0):
        return Phase.FAILED
    return Phase.CANCELLED if counts.get(JobState.CANCELLED, 0) else Phase.COMPLETED


def why_stopped(name: str, wanted: Wanted, failed: int | None = None) -> str:
    """Why nothing of it starts, as a sentence; empty: its jobs start. `failed`: the job at whose failure it stops."""
    if wanted is Wanted.HELD:
        return f"Workload {name} has not been started."
    if wanted is Wanted.PAUSED:
        return f"Workload {name} is paused."
    if wanted is Wanted.CANCELLED:
        return f"Workload {name} is being cancelled."
    return f"Workload {name} stops at the first failure, and job {failed} failed." if failed is not None else ""


class Verb(StrEnum):
    """What people ask of a workload."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"


ASKS: Mapping[Verb, Wanted] = {
    Verb.START: Wanted.OPEN,
    Verb.PAUSE: Wanted.PAUSED,
    Verb.RESUME: Wanted.OPEN,
    Verb.CANCEL: Wanted.CANCELLED,
}


def refusal(name: str, wanted: Wanted, verb: Verb) -> str:
    """Why this cannot be asked of it now; empty: it can, or it is so already."""
    if wanted is Wanted.CANCELLED and verb is not Verb.CANCEL:
        return f"Workload {name} is cancelled, and nothing takes that back."
    if wanted is Wanted.HELD and verb in (Verb.PAUSE, Verb.RESUME):
        return f"Workload {name} has not been started: start it first."
    if wanted is Wanted.PAUSED and verb is Verb.START:
        return f"Workload {name} was started and is paused: resume it."
    return ""
