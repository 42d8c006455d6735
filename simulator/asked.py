"""What the planner is told of a job of a trace, where the trace alone does not say it."""

import math

from simulator.cleaning import CleanJob
from simulator.settings import RunTimes

NORMAL_PRIORITY = 50


def limit_of(job: CleanJob, run_times: RunTimes) -> int | None:
    """After how many seconds it would be stopped; None if nothing stops it."""
    return math.ceil(job.run_s) if run_times is RunTimes.EXACT else job.walltime_s


def priority_of(job: CleanJob) -> int:
    priority = job.trace.priority
    return NORMAL_PRIORITY if priority is None else priority
