"""How long jobs run from here on: as expected, as short as can be hoped for, or up to their limits."""

from collections.abc import Callable
from dataclasses import dataclass

from scheduling.rules import Rules
from scheduling.run_times import SOON, expected_seconds, latest_end, limit_end, limit_seconds
from scheduling.snapshot import RunningJob, WaitingJob

HOPED_OF_EXPECTED = 0.25
"""A job may end in a quarter of the time that is expected of it. On real logs one start in twenty comes sooner still; with
a half it is one in eight (`benchmarks/start_forecast.py`)."""
HOPED_OF_LIMIT = 0.05
"""Where only a limit is known it may end in a twentieth of it: users ask for far more than they need."""


@dataclass(frozen=True, slots=True)
class RuntimeAssumption:
    """One assumption about all run times.

    `run` says for how long a job that starts holds its place, `end` when one that runs now gives its own back.
    """

    run: Callable[[WaitingJob, Rules], float]
    end: Callable[[RunningJob, float, Rules], float]


def expected(lag: float = 0.0) -> RuntimeAssumption:
    """By what is learned or said of each job; `lag` seconds pass before the next one can start in its place."""
    return RuntimeAssumption(
        run=lambda job, rules: _left_of(expected_seconds(job, rules), job, rules) + lag,
        end=lambda job, now, rules: expected_end(job, now, rules) + lag,
    )


def limits(lag: float = 0.0) -> RuntimeAssumption:
    """Every job runs until it is stopped."""
    return RuntimeAssumption(
        run=lambda job, rules: limit_seconds(job, rules) + lag,
        end=lambda job, now, rules: latest_end(job, now, rules.assumed_limit_seconds) + lag,
    )


def optimistic() -> RuntimeAssumption:
    return RuntimeAssumption(run=_hoped_seconds, end=_hoped_end)


def expected_end(job: RunningJob, now: float, rules: Rules) -> float:
    """When the job will probably end. One that is late is taken to stay for as long again, at most up to its limit."""
    latest = latest_end(job, now, rules.assumed_limit_seconds)
    if job.predicted_end is None or job.leaving:
        return latest
    still = 0.0 if job.suspended_since is None else max(0.0, now - job.suspended_since)
    late = now - job.predicted_end
    return min(latest, (job.predicted_end if late < 0 else now + max(late, SOON)) + still)


def _hoped_seconds(job: WaitingJob, rules: Rules) -> float:
    known = job.predicted_seconds or job.estimated_runtime_seconds
    hoped = expected_seconds(job, rules) * (HOPED_OF_EXPECTED if known else HOPED_OF_LIMIT)
    return _left_of(hoped, job, rules)


def _left_of(seconds: float, job: WaitingJob, rules: Rules) -> float:
    """Of a job that goes on from saved work, what is left; to go on takes the restart cost."""
    if not job.saved_seconds:
        return seconds
    return max(SOON, min(seconds, seconds - job.saved_seconds + rules.preemption.restart_cost_seconds))


def _hoped_end(job: RunningJob, now: float, rules: Rules) -> float:
    """One that is late, by its limit or by what was expected of it, may end at any moment."""
    known = [end for end in (job.predicted_end, limit_end(job, rules.assumed_limit_seconds)) if end is not None]
    if job.suspended_since is None and known and min(known) <= now:
        return now
    share = HOPED_OF_LIMIT if job.predicted_end is None else HOPED_OF_EXPECTED
    return now + (expected_end(job, now, rules) - now) * share
