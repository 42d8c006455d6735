"""How long a waiting job may run and is expected to, and until when a running one is taken to stay at the most."""

from collections.abc import Iterable
from dataclasses import replace

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
    return expected_within(limit_seconds(job, rules), job.predicted_seconds or job.estimated_runtime_seconds)


def expected_within(limit: float, expected: float | None) -> float:
    """What is expected of a run time, if anything is, but never more than the limit."""
    return float(min(expected, limit)) if expected else limit


def shortest_first(jobs: Iterable[WaitingJob], rules: Rules) -> list[WaitingJob]:
    """By the run time that is expected; equals stay in their order."""
    return sorted(jobs, key=lambda job: expected_seconds(job, rules))


def limit_of(job: RunningJob) -> int | None:
    """For how long its owner lets it run, from its start to its limit; None if he sets none, or it has not begun."""
    if job.expected_end is None or job.started_at is None:
        return None
    return int(job.expected_end - job.started_at)


def limit_end(job: RunningJob, assumed_limit: float) -> float | None:
    """When its limit stops it: its owner's, else the one that is assumed from its start on; None before that."""
    if job.expected_end is not None or job.started_at is None:
        return job.expected_end
    return job.started_at + assumed_limit


def latest_end(job: RunningJob, now: float, assumed_limit: float) -> float:
    """When the job is gone at the latest, as far as anybody can say: at its limit.

    One that is past its limit, or stands still, has an end that nobody knows. It is taken to stay as it is for as long
    again: what seems near is waited for, and what has been late for a day is not expected within the hour.
    """
    if job.leaving:
        return now + SOON
    end = limit_end(job, assumed_limit)
    if end is None:
        end = now + assumed_limit
    if job.suspended_since is not None:
        return max(end, now + SOON) + max(0.0, now - job.suspended_since)
    if end > now:
        return end
    return late_end(end, now, 0.0 if job.started_at is None or job.expected_end is not None else now - job.started_at)


def outlive_assumed(running: Iterable[RunningJob], now: float, assumed_limit: float) -> bool:
    """Whether one without a limit has run for longer than is assumed of such jobs: then nobody counts on the end of any."""
    ends = [limit_end(job, assumed_limit) for job in running if job.expected_end is None and not job.leaving]
    return any(end is not None and end <= now for end in ends)


def last_moment(job: RunningJob, now: float, assumed_limit: float) -> float:
    """Until when the job may use what it holds, if it makes the most of it.

    One that was told to stop has its grace for that. Where nobody knows when that is over it counts up to its limit.
    """
    if not job.leaving:
        return latest_end(job, now, assumed_limit)
    limit = latest_end(replace(job, leaving=False), now, assumed_limit)
    if job.gone_by is None:
        return limit
    return min(job.gone_by, limit) if job.gone_by > now else late_end(job.gone_by, now, 0.0)


def late_end(end: float, now: float, ran: float) -> float:
    """When a job is taken to be gone that should have been by `end`, and is not; `ran` counts where that limit is assumed."""
    return now + max(SOON, now - end, LEAST_OF_ASSUMED * ran)
