"""How long a waiting job may run and is expected to, and until when a running one is taken to stay at the most."""

from collections.abc import Iterable

from scheduling.rules import Rules
from scheduling.snapshot import RunningJob, WaitingJob

SOON = 1.0
"""A job that was told to stop is expected to be gone in so many seconds."""
LEAST_OF_ASSUMED = 0.1
"""A job that has outlived an assumed limit stays for at least this part of the time that it has run."""


def limit_seconds(job: WaitingJob, rules: Rules) -> float:
    """For how long the job may run: what its owner said, else what the platform assumes of a job without a limit."""
    return float(job.max_runtime_seconds or rules.assumed_limit_seconds)


def expected_seconds(job: WaitingJob, rules: Rules) -> float:
    """How long the job is expected to run: learned, else what its owner expects, else its limit; never beyond that."""
    limit = job.max_runtime_seconds or rules.assumed_limit_seconds
    expected = job.predicted_seconds or job.estimated_runtime_seconds
    return float(min(expected, limit)) if expected else float(limit)


def shortest_first(jobs: Iterable[WaitingJob], rules: Rules) -> list[WaitingJob]:
    """By the run time that is expected; equals stay in their order."""
    return sorted(jobs, key=lambda job: expected_seconds(job, rules))


def latest_end(job: RunningJob, now: float, assumed_limit: float) -> float:
    """When the job is gone at the latest, as far as anybody can say: at its limit.

    One that is past its limit, or stands still, has an end that nobody knows. It is taken to stay as it is for as long
    again: what seems near is waited for, and what has been late for a day is not expected within the hour.
    """
    if job.leaving:
        return now + SOON
    begun = now if job.started_at is None else job.started_at
    end = begun + assumed_limit if job.expected_end is None else job.expected_end
    if job.suspended_since is not None:
        return max(end, now + SOON) + max(0.0, now - job.suspended_since)
    if end > now:
        return end
    least = LEAST_OF_ASSUMED * (now - begun) if job.expected_end is None else 0.0
    return now + max(SOON, now - end, least)
