"""How long a waiting job may run, and how long it is expected to."""

from collections.abc import Iterable

from scheduling.rules import Rules
from scheduling.snapshot import WaitingJob


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
